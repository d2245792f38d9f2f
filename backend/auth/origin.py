"""Tell a page of Hearth from a page of somebody else, for requests that a browser signs with a cookie by itself.

``Sec-Fetch-Site`` (W3C Fetch Metadata) is the browser's own word and counts first; it is only sent over https and to
localhost. ``Origin`` (RFC 6454) is compared with ``Host`` otherwise, port included: cookies ignore the port, and ComfyUI
with other people's code answers on another port of the same host.
"""

from __future__ import annotations

from enum import Enum, auto
from urllib.parse import urlsplit

from backend.auth.identity import Credentials

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Sender(Enum):
    """Where a request comes from."""

    OWN_PAGE = auto()
    FOREIGN_PAGE = auto()
    UNKNOWN = auto()  # no browser, or one of before 2020


def sender_of(request: Credentials) -> Sender:
    """Judge the page that sent *request* by the headers that scripts cannot set."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return Sender.OWN_PAGE if site in ("same-origin", "none") else Sender.FOREIGN_PAGE
    origin = request.headers.get("origin")
    if origin is None:
        return Sender.UNKNOWN
    return Sender.OWN_PAGE if _matches(origin, request.headers.get("host", "")) else Sender.FOREIGN_PAGE


def _matches(origin: str, host: str) -> bool:
    try:
        page = urlsplit(origin)
        here = urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(page.scheme)
        same_port = (page.port or default) == (here.port or default)
    except ValueError:  # a port that is no number
        return False
    return default is not None and page.hostname is not None and page.hostname == here.hostname and same_port
