"""Notice when the local ComfyUI answers for the first time, and when it takes work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from backend.kit.clock import monotonic_s, utc_now
from backend.system.startup import ComfyUIStart

_ILL_S = 0.1  # between two knocks while it does not answer
_LONG_ILL_S, _LONG_S = 1.0, 120.0  # and when it has not for so long
_WELL_S = 1.0  # between two looks at what is known anyway


class ComfyUIWatch:
    """Follow one ComfyUI through its starts.

    Args:
        answers: Whether its port answers HTTP; asked off the beaten track of jobs, and only while it is not ready.
        is_ready: Whether jobs may be sent to it; costs nothing.
        hurry: Called when it answered, so that it is looked at right away.
    """

    def __init__(
        self, answers: Callable[[], Awaitable[bool]], is_ready: Callable[[], bool], hurry: Callable[[], None]
    ) -> None:
        self._answers = answers
        self._is_ready = is_ready
        self._hurry = hurry
        self._first_http_at: datetime | None = None
        self._ready_at: datetime | None = None

    def start_since(self, process_at: datetime | None) -> ComfyUIStart:
        """Return the start of the process that began at *process_at*; what was seen before belongs to another one."""
        if self._is_ready() and (self._ready_at is None or (process_at is not None and self._ready_at < process_at)):
            self._ready_at = utc_now()  # it came, or came back, since the last look
            self._first_http_at = self._first_http_at or self._ready_at
        if process_at is not None and self._first_http_at is not None and self._first_http_at < process_at:
            self._first_http_at = None
        ready = self._ready_at
        if process_at is not None and ready is not None and ready < process_at:
            ready = None
        return ComfyUIStart(process_at, self._first_http_at or ready, ready)

    async def run(self) -> None:
        """Watch for ever. Cancelled: nothing is left behind."""
        ill_since_s = monotonic_s()
        while True:
            if self._is_ready():
                ill_since_s = monotonic_s()
                if self._ready_at is None:
                    self._ready_at = utc_now()
                    self._first_http_at = self._first_http_at or self._ready_at
                await asyncio.sleep(_WELL_S)
                continue
            self._ready_at = None
            if self._first_http_at is not None and not await self._answers():
                self._first_http_at = None
            elif self._first_http_at is None and await self._answers():
                self._first_http_at = utc_now()
                self._hurry()
            await asyncio.sleep(_ILL_S if monotonic_s() - ill_since_s < _LONG_S else _LONG_ILL_S)
