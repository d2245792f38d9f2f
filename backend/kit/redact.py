"""Take secrets out of text before it leaves the process: log lines, error messages, stored addresses.

Three nets, because one always has a hole: values that were registered as secret, words that look like a known kind of
token, and query parameters whose name says that they sign or authorise.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

MASK = "[redacted]"
_MIN_SECRET_LENGTH = 6  # masking shorter values would eat ordinary words

_SECRET_PARAMETER = re.compile(
    r"(?i)^(token|access_token|refresh_token|ticket|key|api[-_]?key|password|secret|sig|signature|policy|expires"
    r"|key-pair-id|x-amz-.*|x-goog-.*|se|sp|sv|sr|st|skoid|sktid|skt|ske|sks|skv|x-xet-.*|auth.*|jwt|code|hash_key)$"
)
_SECRET_WORD = re.compile(
    r"(?i)(?:\bhf_[a-z0-9]{8,}|\bhearth_[\w-]{16,}|\bgh[pousr]_[a-z0-9]{16,}|\bgithub_pat_\w{16,}"
    r"|\beyj[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|\b(?:bearer|basic)\s+[\w.~+/=-]{6,})"
)
_URL = re.compile(r"\b(?:https?|wss?|s3)://[^\s\"'<>]+")
_QUERY_SECRET = re.compile(
    r"(?i)([?&](?:token|access_token|refresh_token|ticket|api[-_]?key|password|secret|sig|signature)=)[^&\s\"']+"
)

_registered: set[str] = set()


def register_secret(value: str | None) -> None:
    """Mask *value* wherever :func:`redact` meets it from now on; short or empty values are ignored."""
    if value and len(value) >= _MIN_SECRET_LENGTH:
        _registered.add(value)


def redact(text: str) -> str:
    """Return *text* without secrets."""
    for secret in _registered:
        if secret in text:
            text = text.replace(secret, MASK)
    if "://" in text:
        text = _URL.sub(lambda match: redact_url(match.group()), text)
    if "=" in text:
        text = _QUERY_SECRET.sub(rf"\1{MASK}", text)
    return _SECRET_WORD.sub(MASK, text)


def redact_url(url: str) -> str:
    """Return *url* without user info and with the values of signing or authorising query parameters masked."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    netloc = parts.netloc.rpartition("@")[2]
    if not parts.query:
        return urlunsplit((parts.scheme, netloc, parts.path, "", ""))
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = "&".join(
        f"{quote(name, safe='')}={MASK if _SECRET_PARAMETER.match(name) else quote(value, safe='/:')}"
        for name, value in pairs
    )
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))
