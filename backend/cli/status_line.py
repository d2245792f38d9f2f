"""Status lines with a sentence for people: uvicorn writes the usual phrase of a status, and ASGI has no word for another."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from backend.compat.reason import reason_of


class SpeakingProtocol(HttpToolsProtocol):
    """Serve HTTP/1.1 as uvicorn does, with the reason phrase that a request's scope holds, where it holds one."""

    def on_headers_complete(self) -> None:
        """Begin a request."""
        before = self.cycle
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is not before:  # not the beginning of a WebSocket
            scope = cast("MutableMapping[str, Any]", cycle.scope)
            cycle.transport = cast("asyncio.Transport", _Speaking(cycle.transport, scope))


class _Speaking:
    """Stand before a transport for one answer, and change the status line as it passes."""

    def __init__(self, transport: asyncio.Transport, scope: MutableMapping[str, Any]) -> None:
        self._transport = transport
        self._scope = scope
        self._has_begun = False

    def write(self, data: bytes) -> None:
        """Pass *data* on."""
        if not self._has_begun and not data.startswith(b"HTTP/1.1 100 "):
            self._has_begun = True
            reason = reason_of(self._scope)
            if reason:
                line, _, rest = data.partition(b"\r\n")
                data = b" ".join([*line.split(b" ", 2)[:2], reason]) + b"\r\n" + rest
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:  # Any: whatever else a transport can do
        return getattr(self._transport, name)
