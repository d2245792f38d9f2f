"""Believe X-Forwarded-* from trusted neighbours only, and write what they say into the connection scope.

After this everybody sees the visitor's address, scheme and host name, behind a proxy or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.types import Scope

_SCHEMES = {"http": ("http", "ws"), "https": ("https", "wss"), "ws": ("http", "ws"), "wss": ("https", "wss")}
_EVERYBODY = "*"


class TrustedProxies:
    """Know the proxies.

    Args:
        addresses: Addresses and networks; ``*`` trusts everybody, for containers that only a proxy can reach.
    """

    def __init__(self, addresses: Iterable[str]) -> None:
        self._everybody = False
        self._names: set[str] = set()
        self._networks: list[IPv4Network | IPv6Network] = []
        for address in addresses:
            if address == _EVERYBODY:
                self._everybody = True
            elif "/" in address:
                self._networks.append(ip_network(address, strict=False))
            else:
                self._names.add(address)

    def trusts(self, address: str) -> bool:
        """Tell whether *address* is a proxy of ours."""
        address = address.removeprefix("::ffff:")  # how a dual-stack socket shows an IPv4 neighbour
        if self._everybody or address in self._names:
            return True
        if not self._networks:
            return False
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def apply(self, scope: Scope) -> None:
        """Replace client, scheme and Host of *scope* by what a trusted proxy says about them."""
        client = scope.get("client")
        if client is None or not self.trusts(client[0]):
            return
        said = {name: value.decode("latin-1") for name, value in scope["headers"] if name.startswith(b"x-forwarded-")}
        if not said:
            return
        scheme = _SCHEMES.get(_first(said.get(b"x-forwarded-proto", "")).lower())
        if scheme:
            scope["scheme"] = scheme[scope["type"] == "websocket"]
        visitor = self._visitor(said.get(b"x-forwarded-for", ""))
        if visitor:
            scope["client"] = (visitor, 0)
        host = _host(_first(said.get(b"x-forwarded-host", "")), _first(said.get(b"x-forwarded-port", "")))
        if host:
            kept = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope["headers"] = [(b"host", host.encode("latin-1")), *kept]

    def _visitor(self, chain: str) -> str:
        """Return the last address of the chain that is no proxy of ours: what stands before it, anybody can write."""
        addresses = [_bare(part) for part in chain.split(",") if part.strip()]
        for address in reversed(addresses):
            if not self.trusts(address):
                return address
        return addresses[0] if addresses else ""


def _first(value: str) -> str:
    return value.partition(",")[0].strip()


def _host(name: str, port: str) -> str:
    has_port = name.rpartition("]")[2].count(":") == 1
    return name if has_port or not name or not port.isdigit() else f"{name}:{port}"


def _bare(address: str) -> str:
    """Return an address without brackets and port."""
    address = address.strip()
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address
