"""Addresses: what of them may be shown and stored, and when two of them mean the same content."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from backend.kit.redact import MASK, redact_url

_REVISION_IN_PATH = re.compile(r"/(?:resolve|blob|raw)/[^/]+/")
_HUB_PATH = "/resolve/*/"


def keeps_a_secret(url: str) -> bool:
    """Tell whether the address itself carries a secret or a signature, so that it must not be stored."""
    return MASK in redact_url(url) or "@" in urlsplit(url).netloc


def shown_url(url: str) -> str:
    """Return the address without secrets, as it is stored and shown."""
    return redact_url(url) if keeps_a_secret(url) else url


def same_address(one: str, other: str) -> bool:
    """Tell whether two addresses lead to the same file, whatever mirror of a hub, revision or signature they name."""
    return _essence(one) == _essence(other)


def _essence(url: str) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    parts = urlsplit(redact_url(url))
    path = _REVISION_IN_PATH.sub(_HUB_PATH, unquote(parts.path))
    if _HUB_PATH in path:
        return ("", path, ())
    query = sorted(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[1] != MASK)
    return (parts.netloc.lower(), path, tuple(query))
