"""Who listens: one socket per client id, and what happens when two have the same."""

from __future__ import annotations

import asyncio
import json
import struct
import uuid
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

PREVIEW, TEXT, PREVIEW_WITH_METADATA = 1, 3, 4
_IMAGE_NUMBERS = {"image/jpeg": 1, "image/png": 2}


class Sockets:
    """Frames go out one after the other, in the order in which they were sent."""

    def __init__(self, features: dict[str, Any]) -> None:
        self._features = features
        self._table: dict[str, WebSocket] = {}
        self._flags: dict[str, dict[str, Any]] = {}
        self._outgoing: asyncio.Queue[tuple[str | bytes, str | None]] = asyncio.Queue()
        self.running: tuple[str, str] | None = None  # (client id, node) that executes
        self.log_readers: set[str] = set()
        self.lines = ["Starting server\n"]
        self.remaining = 0

    @property
    def ids(self) -> list[str]:
        return list(self._table)

    def send(self, kind: str, data: dict[str, Any], sid: str | None) -> None:
        """Send to *sid*, to all when it is None."""
        self._outgoing.put_nowait((json.dumps({"type": kind, "data": data}), sid))

    def send_preview(self, mime: str, image: bytes, about: dict[str, Any], sid: str | None) -> None:
        """Send an image as type 4 to whom said that it knows it, otherwise as type 1."""
        if self.knows_metadata(sid):
            head = json.dumps({**about, "image_type": mime}).encode()
            frame = struct.pack(">II", PREVIEW_WITH_METADATA, len(head)) + head + image
        else:
            frame = struct.pack(">II", PREVIEW, _IMAGE_NUMBERS[mime]) + image
        self._outgoing.put_nowait((frame, sid))

    def knows_metadata(self, sid: str | None) -> bool:
        return sid is not None and bool(self._flags.get(sid, {}).get("supports_preview_metadata"))

    def send_text(self, node: str, text: str, sid: str | None) -> None:
        self._outgoing.put_nowait((struct.pack(">II", TEXT, len(node)) + node.encode() + text.encode(), sid))

    def status(self) -> None:
        self.send("status", {"status": {"exec_info": {"queue_remaining": self.remaining}}}, None)

    def log(self, line: str) -> None:
        self.lines.append(line)
        for sid in self.log_readers & set(self._table):
            self.send("logs", {"entries": [{"t": "2026-11-20T12:00:00.000000", "m": line}], "size": None}, sid)

    async def publish(self) -> None:
        """Deliver for ever."""
        while True:
            frame, sid = await self._outgoing.get()
            sockets = list(self._table.values()) if sid is None else [self._table[sid]] if sid in self._table else []
            for socket in sockets:
                await _deliver(socket, frame)

    async def serve(self, socket: WebSocket) -> None:
        """Greet a client, then read what it says until it goes."""
        await socket.accept()
        sid = socket.query_params.get("clientId") or uuid.uuid4().hex
        self._table[sid] = socket  # whoever had this id hears nothing any more
        self._flags[sid] = {}
        greeting = {"status": {"exec_info": {"queue_remaining": self.remaining}}, "sid": sid}
        await _deliver(socket, json.dumps({"type": "status", "data": greeting}))
        if self.running is not None and self.running[0] == sid:
            await _deliver(socket, json.dumps({"type": "executing", "data": {"node": self.running[1]}}))
        try:
            await self._read(socket, sid)
        finally:
            # The real server forgets the id, not this socket: a newer socket with the same id goes deaf.
            self._table.pop(sid, None)
            self._flags.pop(sid, None)

    async def _read(self, socket: WebSocket, sid: str) -> None:
        is_first = True
        while True:
            try:
                message = json.loads(await socket.receive_text())
            except WebSocketDisconnect:
                return
            except (ValueError, KeyError):
                continue
            if is_first and isinstance(message, dict) and message.get("type") == "feature_flags":
                self._flags[sid] = message.get("data", {})
                await _deliver(socket, json.dumps({"type": "feature_flags", "data": self._features}))
            is_first = False


async def _deliver(socket: WebSocket, frame: str | bytes) -> None:
    if socket.application_state is not WebSocketState.CONNECTED:
        return
    try:
        if isinstance(frame, bytes):
            await socket.send_bytes(frame)
        else:
            await socket.send_text(frame)
    except (WebSocketDisconnect, RuntimeError, OSError):
        return
