"""Pass a stranger's request on to one ComfyUI and its answer back, piece by piece: nothing is held, nothing is believed.

What belongs to one connection only (RFC 9110, section 7.6.1) goes no further, in either direction; neither does what shows
who asked. ComfyUI refuses foreign pages by ``Origin``, so that is left out too: whoever passes requests on has judged them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backend.comfyui.wire import Wire

if TYPE_CHECKING:
    import httpx2

Headers = Sequence[tuple[str, str]]

_CHUNK_BYTES = 65_536
_ONE_CONNECTION = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
# With the user's identity, and what says which page or proxy stands before us.
_NOT_SENT = _ONE_CONNECTION | frozenset(
    {"host", "origin", "referer", "cookie", "authorization", "x-api-key", "forwarded", "expect", "x-real-ip"}
)
_NOT_RETURNED = _ONE_CONNECTION | frozenset(
    {"set-cookie", "server", "date", "content-security-policy", "strict-transport-security", "clear-site-data"}
)


@dataclass(frozen=True, slots=True)
class Passed:
    """An answer that is on its way; ``chunks`` can be walked once, and are encoded as ``content-encoding`` says."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes] = field(repr=False)

    def header(self, wanted: str) -> str:
        """Return the value of a header by its lower-case name, empty when it is not there."""
        return next((value for name, value in self.headers if name == wanted), "")


class Passthrough(Wire):
    """Connections of its own, so that slow readers never keep Hearth itself from asking."""

    @asynccontextmanager
    async def open(
        self, method: str, target: str, headers: Headers = (), body: AsyncIterator[bytes] | None = None
    ) -> AsyncGenerator[Passed]:
        """Send a request and return the answer as soon as its headers are there.

        Args:
            target: Path and query, encoded as they were received.
            headers: Those of the client; what must not go further is left out here.
            body: Walked as fast as ComfyUI takes it.
        Raises:
            ComfyUIUnreachable, ComfyUISilent: There is no answer.
        Leaving the context closes the connection, unless the answer was read to its end.
        """
        http = await self._opened()
        with self._named():
            async with http.stream(method, target, headers=_sent(headers), content=body) as response:
                kept = [
                    (name.lower(), value)
                    for name, value in response.headers.multi_items()
                    if name.lower() not in _NOT_RETURNED and not name.lower().startswith("access-control-")
                ]
                yield Passed(response.status_code, kept, self._chunks(response))

    async def read(self, method: str, target: str, limit_bytes: int, body: bytes | None = None) -> tuple[int, bytes]:
        """Return status and body of an answer; a longer body is cut at *limit_bytes*.

        Args:
            body: Sent as JSON.
        Raises:
            ComfyUIUnreachable, ComfyUISilent: There is no answer.
        """
        content = bytearray()
        headers = () if body is None else (("content-type", "application/json"), ("content-length", str(len(body))))
        async with self.open(method, target, headers, None if body is None else _once(body)) as passed:
            async for chunk in passed.chunks:
                content += chunk
                if len(content) > limit_bytes:
                    break
            return passed.status, bytes(content[:limit_bytes])

    async def _chunks(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        # Walked outside the block that opened the answer, so failures are named here as well.
        with self._named():
            async for chunk in response.aiter_raw(_CHUNK_BYTES):
                yield chunk


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _sent(headers: Headers) -> list[tuple[str, str]]:
    # What a connection header names belongs to that connection as well.
    named = {name.strip().lower() for key, value in headers if key.lower() == "connection" for name in value.split(",")}
    dropped = _NOT_SENT | named
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in dropped and not name.lower().startswith(("x-forwarded-", "sec-"))
    ]
