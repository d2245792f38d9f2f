"""What happens to every connection around its endpoint: who it is from, its number, its limits, its line in the log.

Plain ASGI, outermost first: :class:`Frame`, CORS where origins are named, :class:`~backend.api.guard.Guard`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Protocol
from urllib.parse import quote

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from backend.api.errors import BodyTooLarge, HostNotAllowed, error_response
from backend.api.exchange import Exchange
from backend.api.guard import Guard
from backend.api.proxies import TrustedProxies
from backend.kit.clock import monotonic_s
from backend.logs import get_logger

log = get_logger(__name__)

MAX_BODY_BYTES = 1024**2
# Doors through which pictures come; each reads its body only when it knows who sends it.
LARGE_BODIES: Mapping[str, int] = {
    "/v1/images/": 100 * 1024**2,
    "/sdapi/v1/": 100 * 1024**2,
    "/comfyui/": 100 * 1024**2,
    "/generate": 100 * 1024**2,
    "/api/workflows": 16 * 1024**2,
    "/api/generations": 16 * 1024**2,
}

_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})  # no foreign page can be served under these
_QUIET = ("/api/health", "/api/ready", "/api/auth/verify", "/static/")
_GONE = 499  # nginx's word for a client that left before the answer


class MiddlewareSettings(Protocol):
    """The settings that matter here."""

    @property
    def trusted_proxies(self) -> tuple[str, ...]:
        """Addresses or networks whose X-Forwarded-* headers are believed."""
        ...

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Host names to answer to; empty means any."""
        ...

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Web origins that may call from a browser."""
        ...


def install_middleware(app: FastAPI, settings: MiddlewareSettings) -> None:
    """Put everything around *app*."""
    app.add_middleware(Guard)
    if settings.cors_origins:
        # Tokens, not cookies: no origin but our own may use the browser's sign-in.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "If-Match", "If-None-Match", "X-API-Key", "X-Request-ID"),
            expose_headers=("ETag", "Retry-After", "X-Request-ID"),
        )
    app.add_middleware(Frame, proxies=TrustedProxies(settings.trusted_proxies), allowed_hosts=settings.allowed_hosts)


class Frame:
    """Surround one connection: proxy headers, request id, host and size checks, safety headers, errors, log line."""

    def __init__(self, app: ASGIApp, *, proxies: TrustedProxies, allowed_hosts: Iterable[str]) -> None:
        self._app = app
        self._proxies = proxies
        self._allowed = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        self._proxies.apply(scope)
        request_id = _request_id(scope)
        tokens = bind_contextvars(request_id=request_id)
        try:
            if scope["type"] == "http":
                await self._request(scope, receive, Exchange(scope, send, request_id))
            else:
                await self._socket(scope, receive, send)
        finally:
            reset_contextvars(**tokens)

    async def _request(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        started_at = monotonic_s()
        try:
            await self._answer(scope, receive, exchange)
        except ClientDisconnect:
            pass
        except Exception as error:
            # Starlette would do the same one layer further out, where the answer gets no headers and no line in the log.
            answer = await scope["app"].exception_handlers[Exception](Request(scope), error)
            if exchange.has_begun:
                raise  # half an answer is out: the server must break the connection, or it would look complete
            await answer(scope, receive, exchange.send)
        finally:
            _log_request(scope, exchange.status or _GONE, monotonic_s() - started_at)

    async def _answer(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        if not self._is_allowed(scope):
            refusal = error_response(HostNotAllowed("This Hearth does not answer to the name in the Host header."))
            await refusal(scope, receive, exchange.send)
            return
        declared = _header(scope, b"content-length")
        limit = _body_limit(scope["path"])
        if declared.isdigit() and int(declared) > limit:
            refusal = error_response(_too_large(limit))
            await refusal(scope, receive, exchange.send)
            return
        # A declared length is enforced by the server; only a body in chunks has to be counted.
        bounded = receive if declared else _Bounded(receive, limit).receive
        await self._app(scope, bounded, exchange.send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_allowed(scope):
            await send({"type": "websocket.close", "code": 1008, "reason": "host not allowed"})
            return
        started_at = monotonic_s()
        try:
            await self._app(scope, receive, send)
        finally:
            log.debug("socket_closed", path=_path(scope), s=round(monotonic_s() - started_at, 1), client=_client(scope))

    def _is_allowed(self, scope: Scope) -> bool:
        if not self._allowed:
            return True
        host = _header(scope, b"host").decode("latin-1").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        return name in self._allowed or name in _OWN_NAMES


class _Bounded:
    """Count a body that comes in chunks."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._bytes = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limit:
            raise HTTPException(413, f"The request's body is larger than {self._limit >> 20} MiB")
        return message


def _body_limit(path: str) -> int:
    return next((limit for prefix, limit in LARGE_BODIES.items() if path.startswith(prefix)), MAX_BODY_BYTES)


def _too_large(limit: int) -> BodyTooLarge:
    mib = limit >> 20
    return BodyTooLarge(f"The request's body is larger than {mib} MiB.", hint=f"Send less than {mib} MiB.")


def _request_id(scope: Scope) -> str:
    given = _header(scope, b"x-request-id").decode("latin-1")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _log_request(scope: Scope, status: int, seconds: float) -> None:
    path = _path(scope)
    identity = scope["state"].get("identity") if "state" in scope else None
    write = log.debug if status < 400 and path.startswith(_QUIET) else log.info
    write(
        "request",
        method=scope["method"],
        path=path,
        status=status,
        ms=round(seconds * 1000, 2),
        client=_client(scope),
        who=identity.name if identity is not None else None,
    )


def _path(scope: Scope) -> str:
    """Return the path as it was sent, without the query: that may hold secrets."""
    raw = scope.get("raw_path")
    return raw.partition(b"?")[0].decode("latin-1") if raw else quote(scope["path"])


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")
