"""What waits to be sent to one client: everything that lasts, and of the rest only what is new."""

from __future__ import annotations

import asyncio
from collections import deque

_MAX_PASSING = 64
_MAX_LASTING = 4096


class Outbox:
    """Frames in order; a slow reader loses the oldest steps and previews, never anything else.

    ``is_full`` turns true when even what lasts is more than may wait.
    """

    def __init__(self) -> None:
        self._frames: deque[tuple[str | bytes, bool]] = deque()
        self._passing = 0
        self._arrived = asyncio.Event()
        self.is_full = False

    def put(self, frame: str | bytes, *, passing: bool = False) -> None:
        """Add a frame; *passing* ones may be dropped."""
        self._frames.append((frame, passing))
        self._passing += passing
        if self._passing > _MAX_PASSING:
            oldest = next(place for place, (_, is_passing) in enumerate(self._frames) if is_passing)
            del self._frames[oldest]
            self._passing -= 1
        self.is_full = self.is_full or len(self._frames) > _MAX_LASTING
        self._arrived.set()

    async def next(self) -> str | bytes:
        """Wait for the next frame and take it out."""
        while not self._frames:
            self._arrived.clear()
            await self._arrived.wait()
        frame, passing = self._frames.popleft()
        self._passing -= passing
        return frame
