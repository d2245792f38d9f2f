"""Who asks, with what right, and what the request carries to show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

from backend.auth.cookies import SESSION_COOKIE

Kind = Literal["session", "key", "local", "ticket"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, section 9.2.1
_TOKEN_LENGTH = 4096


class Scope(StrEnum):
    """What somebody may do; each scope includes the ones before it."""

    READ = "read"
    GENERATE = "generate"
    MANAGE = "manage"

    def includes(self, other: Scope) -> bool:
        """Tell whether this scope is enough where *other* is asked for."""
        return _RANK[self] >= _RANK[other]


_RANK = {scope: rank for rank, scope in enumerate(Scope)}


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who was let in.

    ``name`` is shown to people: the key's name, or ``owner``. ``cancel_on_disconnect``: the key says that what a client
    wanted ends with its socket.
    """

    kind: Kind
    name: str
    scope: Scope
    session_id: str | None = None
    key_id: str | None = None
    cancel_on_disconnect: bool = False


def _nothing() -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request carries, as plain mappings; ``headers`` have lower-case names."""

    method: str
    headers: Mapping[str, str] = field(repr=False)
    cookies: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    query: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    is_websocket: bool = False

    @classmethod
    def from_scope(cls, scope: Mapping[str, Any]) -> Self:
        """Read the ASGI connection scope of an HTTP request or a WebSocket handshake."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        is_websocket = scope["type"] == "websocket"
        query = parse_query(scope.get("query_string", b"")) if is_websocket else {}
        return cls(scope.get("method", "GET"), headers, parse_cookies(headers.get("cookie", "")), query, is_websocket)

    @property
    def is_write(self) -> bool:
        """Tell whether the method may change something."""
        return self.method not in SAFE_METHODS

    def sent_token(self) -> str | None:
        """Return the token that a program put there on purpose: header first, a WebSocket's query second."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return value.strip()[:_TOKEN_LENGTH]
        key = self.headers.get("x-api-key") or (self.query.get("token") if self.is_websocket else None)
        return key[:_TOKEN_LENGTH] if key is not None else None

    def ticket(self) -> str | None:
        """Return the one-minute ticket of a WebSocket handshake."""
        return self.query.get("ticket") if self.is_websocket else None

    def cookie_token(self) -> str | None:
        """Return the token that the browser attached by itself."""
        token = self.cookies.get(SESSION_COOKIE)
        return token[:_TOKEN_LENGTH] if token else None


def parse_query(raw: bytes) -> dict[str, str]:
    """Return the query's fields; the last of equal names counts."""
    return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True)) if raw else {}


def parse_cookies(header: str) -> dict[str, str]:
    """Return the cookies of a Cookie header (RFC 6265, section 5.4); a part that is not a pair is left out."""
    pairs = (part.strip().partition("=") for part in header.split(";")) if header else ()
    return {name: value.strip('"') for name, separator, value in pairs if separator}
