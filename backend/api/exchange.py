"""One answer on its way out: safety headers, request id, compression, and the numbers for the log."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

from starlette.types import Message, Scope, Send

Headers = list[tuple[bytes, bytes]]

PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; "
    b"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'"

_ALWAYS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]
_COMPRESSIBLE = (b"application/json", b"application/problem+json", b"text/html", b"text/plain", b"text/css")
_MIN_SIZE, _THREAD_SIZE, _MAX_SIZE = 1024, 64 * 1024, 8 * 1024**2
_LEVEL = 1  # a third of level 6's time for a tenth more bytes on JSON
_GZIP = 16 + zlib.MAX_WBITS  # zlib's way to say "with gzip header and trailer"


class Exchange:
    """Stand between the application and the server for one request."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self.status = 0
        self._send = send
        self._request_id = request_id.encode("latin-1")
        self._is_api = scope["path"].startswith("/api/")
        self._takes_gzip = scope["method"] != "HEAD" and _accepts_gzip(scope["headers"])
        self._held: Message | None = None

    @property
    def has_begun(self) -> bool:
        """Tell whether the status has been decided, so that no other answer can be given."""
        return self.status != 0

    async def send(self, message: Message) -> None:
        """Pass *message* on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: Headers = list(message["headers"])
            known = dict(headers)
            message["headers"] = headers
            self._add_headers(headers, known)
            if self._takes_gzip and _is_compressible(self.status, known):
                self._held = message  # its Content-Length is known when the body is compressed
                return
        elif self._held is not None:
            start, self._held = self._held, None
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                await _compress(start, message)
            await self._send(start)
        await self._send(message)

    def _add_headers(self, headers: Headers, known: dict[bytes, bytes]) -> None:
        headers.append((b"x-request-id", self._request_id))
        headers.extend(pair for pair in _ALWAYS if pair[0] not in known)
        if b"content-security-policy" not in known:
            is_page = known.get(b"content-type", b"").startswith(b"text/html")
            headers.append((b"content-security-policy", PAGE_POLICY if is_page else DATA_POLICY))
        if self._is_api and b"cache-control" not in known:
            headers.append((b"cache-control", b"private, no-cache" if b"etag" in known else b"no-store"))


def _accepts_gzip(headers: list[Any]) -> bool:
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in headers)


def _is_compressible(status: int, known: dict[bytes, bytes]) -> bool:
    """Tell whether the body is whole, large enough, text, and not compressed by its route."""
    length = known.get(b"content-length", b"")
    return (
        length.isdigit()
        and _MIN_SIZE <= int(length) <= _MAX_SIZE
        and status != 206
        and b"content-encoding" not in known
        and known.get(b"content-type", b"").startswith(_COMPRESSIBLE)
    )


async def _compress(start: Message, body: Message) -> None:
    content: bytes = body.get("body", b"")
    small = _gzip(content) if len(content) < _THREAD_SIZE else await asyncio.to_thread(_gzip, content)
    kept = [pair for pair in start["headers"] if pair[0] != b"content-length"]
    start["headers"] = [
        *kept,
        (b"content-encoding", b"gzip"),
        (b"vary", b"Accept-Encoding"),
        (b"content-length", str(len(small)).encode()),
    ]
    body["body"] = small


def _gzip(content: bytes) -> bytes:
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return compressor.compress(content) + compressor.flush()
