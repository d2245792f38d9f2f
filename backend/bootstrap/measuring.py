"""Measure the volume when somebody asks, and remember what came out."""

from __future__ import annotations

import asyncio
from pathlib import Path

from backend.kit.clock import monotonic_s, utc_now
from backend.system import VolumeSpeed, measure_volume

_MOST_S = 3.0  # the measurement itself ends after two, unless the volume hangs
_FRESH_S = 60.0


class MeasuredVolume:
    """Hold the newest measurement of one volume; ``last`` is None until somebody has asked."""

    def __init__(self, folder: Path) -> None:
        self.last: VolumeSpeed | None = None
        self._folder = folder
        self._measured_s = 0.0
        self._running: asyncio.Task[VolumeSpeed] | None = None

    async def measure(self) -> VolumeSpeed:
        """Return a measurement that is not older than a minute; several who ask at once share one.

        A volume that does not answer in time is said to hang; the thread that waits for it is left behind.
        """
        if self.last is not None and monotonic_s() - self._measured_s < _FRESH_S:
            return self.last
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(asyncio.to_thread(measure_volume, self._folder))
        done, _ = await asyncio.wait([self._running], timeout=_MOST_S)
        if done:
            self.last = self._running.result()
        else:
            self.last = VolumeSpeed(utc_now(), None, None, None, "it did not answer within 3 seconds")
        self._measured_s = monotonic_s()
        return self.last
