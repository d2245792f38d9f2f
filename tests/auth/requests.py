"""Requests as plain mappings."""

from __future__ import annotations

from backend.auth import SESSION_COOKIE, Credentials


def bearer(token: str, method: str = "GET") -> Credentials:
    """A program's request."""
    return Credentials(method, {"authorization": f"Bearer {token}"})


def by_cookie(token: str, method: str = "GET", *, is_websocket: bool = False, **headers: str) -> Credentials:
    """A browser's request; keyword arguments are headers with ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Credentials(method, named, {SESSION_COOKIE: token}, is_websocket=is_websocket)


def socket(**query: str) -> Credentials:
    """A script's WebSocket handshake."""
    return Credentials("GET", {}, {}, query, is_websocket=True)
