"""GET /object_info, fetched again only when it is old, parsed again only when it changed."""

from __future__ import annotations

import asyncio
import hashlib
import json

from backend.comfyui.errors import ComfyUIRefused
from backend.comfyui.object_info import ObjectInfo
from backend.comfyui.shapes import mapping
from backend.comfyui.wire import Wire
from backend.errors import JSON
from backend.kit.clock import monotonic_s


class Nodes:
    """What nodes the server has.

    The server sends no ETag, and the answer holds the lists of models, so it changes with every download: the age of
    the copy decides when to ask again, the hash of the bytes whether anything is new.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._known: ObjectInfo | None = None
        self._known_at_s = 0.0
        self._asking = asyncio.Lock()

    async def info(self, *, max_age_s: float = 30.0) -> ObjectInfo:
        """Return every class of nodes; the same object as before as long as nothing changed.

        Args:
            max_age_s: How old the copy may be; 0 asks in any case.
        """
        async with self._asking:
            if self._known is None or monotonic_s() - self._known_at_s > max_age_s:
                self._known = await self._fetch()
                self._known_at_s = monotonic_s()
            return self._known

    def forget(self) -> None:
        """Ask again next time: the server was restarted, or a download arrived."""
        self._known_at_s = float("-inf")

    async def one(self, class_type: str) -> dict[str, JSON] | None:
        """Return the entry of one class as the server sends it, None when it has no such class."""
        reply = await self._wire.ask("GET", f"/object_info/{class_type}")
        return mapping(mapping(await reply.document()).get(class_type)) or None

    async def _fetch(self) -> ObjectInfo:
        path = "/object_info"
        reply = await self._wire.ask("GET", path)
        if reply.status != 200:
            raise self._wire.refused(reply.status, path)
        return await asyncio.to_thread(self._read, reply.body)

    def _read(self, body: bytes) -> ObjectInfo:
        version = hashlib.sha256(body).hexdigest()[:16]
        if self._known is not None and self._known.version == version:
            return self._known
        try:
            document: object = json.loads(body)
        except (ValueError, RecursionError):
            raise ComfyUIRefused(f"ComfyUI at {self._wire.name} does not say what nodes it has.") from None
        return ObjectInfo.read(version, document)
