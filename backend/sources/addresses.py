"""What may stand in an address: schemes, hosts that are never asked, secrets, origins."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import SplitResult, parse_qsl, unquote, urljoin, urlsplit, urlunsplit

from backend.sources.errors import ForbiddenAddress, HostFailed, TokenInAddress, UnsupportedAddress

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_URL_CHARS = 8192
_FORBIDDEN_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",  # link-local: metadata of AWS, Azure, Google, Oracle, and container credentials of ECS
        "fe80::/10",
        "fd00:ec2::/32",  # AWS metadata over IPv6
        "fd20:ce::254/128",  # Google metadata over IPv6
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure's wire server
        "192.0.0.192/32",  # Oracle Cloud's older address
    )
)
_FORBIDDEN_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
_TOKEN_PARAMETER = re.compile(
    r"(?i)^(token|access[-_]?token|auth[-_]?token|api[-_]?token|hf[-_]?token|private[-_]?token|api[-_]?key|key"
    r"|password|passwd|secret|client[-_]?secret|auth|authorization|bearer|jwt)$"
)
_SIGNATURE_PARAMETER = re.compile(
    r"(?i)^(x-amz-.*|x-goog-.*|x-xet-.*|sig|signature|policy|expires|key-pair-id|se|sp|sv|sr|st|spr|skoid|sktid|skt|ske"
    r"|sks|skv|verify|hash_key|response-content-.*)$"
)


def is_forbidden_address(host: str) -> bool:
    """Tell whether *host*, a name or a literal address with or without brackets, is a cloud's metadata service.

    Names are not looked up: whoever connects also asks this of the address that the name led to.
    """
    name = host.strip("[]").partition("%")[0].rstrip(".").lower()
    if name in _FORBIDDEN_NAMES or name.endswith(".metadata.google.internal"):
        return True
    address = _literal(name)
    return address is not None and any(
        address.version == network.version and address in network for network in _FORBIDDEN_NETWORKS
    )


def _literal(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            # Resolvers also take 0xa9fea9fe, 2852039166 and 0251.0376.0251.0376 (inet_aton(3)).
            address = ipaddress.IPv4Address(socket.inet_aton(name))
        except (OSError, ValueError):
            return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or _nat64(address) or address
    return address


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Unwrap the well-known translation prefix 64:ff9b::/96 (RFC 6052)."""
    embedded = int(address) & 0xFFFFFFFF
    return ipaddress.IPv4Address(embedded) if int(address) >> 32 == 0x64FF9B << 64 else None


def checked_url(url: str) -> str:
    """Return *url* without blanks and fragment when a file may be fetched from it.

    Raises:
        UnsupportedAddress: It is no http(s) address of a host.
        TokenInAddress: User info or a query parameter would carry a secret.
        ForbiddenAddress: The host is a metadata service.
    """
    parts = _split(url)
    if "@" in parts.netloc:
        raise TokenInAddress("The address holds a user name or password.")
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if _TOKEN_PARAMETER.match(name):
            raise TokenInAddress(f"The address holds a secret in its parameter {name!r}.")
    if is_forbidden_address(parts.hostname or ""):
        raise ForbiddenAddress("The address belongs to a metadata service and is never asked.")
    return urlunsplit(parts._replace(scheme=parts.scheme.lower(), fragment=""))


def _split(url: str) -> SplitResult:
    text = url.strip()
    try:
        parts = urlsplit(text)
        port_is_sound = parts.port is None or parts.port > 0
    except ValueError:
        raise UnsupportedAddress("The address cannot be read.") from None
    if parts.scheme.lower() not in _DEFAULT_PORTS or not parts.hostname or not port_is_sound:
        raise UnsupportedAddress("The address does not begin with https:// or http:// and a host.")
    if len(text) > _MAX_URL_CHARS or any(ord(char) <= 0x20 or ord(char) == 0x7F for char in text):
        raise UnsupportedAddress("The address holds blanks or is longer than any address can be.")
    return parts


def next_hop(url: str, location: str) -> str:
    """Return the absolute address that a redirect of *url* leads to.

    Raises:
        HostFailed: It cannot be read, or is neither http nor https.
    """
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        sound = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound, target = False, ""
    if not sound:
        raise HostFailed(f"{host_key(url)} redirects to an address that makes no sense.")
    return target


def host_key(url: str) -> str:
    """Return the host of *url* as tokens are kept under it: lower case, with the port unless it is the usual one."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    name = f"[{host}]" if ":" in host else host
    port = parts.port
    return name if port is None or port == _DEFAULT_PORTS.get(parts.scheme.lower()) else f"{name}:{port}"


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port, the three that must agree before a header with a token is sent (RFC 6454)."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(scheme, 0)


def may_carry_token(url: str) -> bool:
    """Tell whether a token may travel to *url*: encrypted, or not leaving the machine or the local network."""
    parts = urlsplit(url)
    if parts.scheme.lower() == "https":
        return True
    host = (parts.hostname or "").lower()
    address = _literal(host)
    if address is not None:
        return address.is_private or address.is_loopback
    return host == "localhost" or "." not in host or host.endswith((".local", ".lan", ".internal", ".home.arpa"))


def without_signature(url: str) -> str:
    """Return *url* without query parameters that only sign it or say how long it lives."""
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and not _SIGNATURE_PARAMETER.match(pair.partition("=")[0])]
    return urlunsplit((parts.scheme, host_key(url), parts.path, "&".join(kept), ""))


def last_segment(url: str) -> str | None:
    """Return the decoded last part of the path, the usual name of a file; None when there is none."""
    return unquote(urlsplit(url).path.rpartition("/")[2]) or None
