"""Make what arrived survive: a thread that puts bytes on the disk and then writes down which ones are there.

It has a thread of its own because fdatasync may take as long as the disk likes, and neither sockets nor writes should wait.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from backend.downloads.transfer.disk import begin_writing_back, ensure_room
from backend.downloads.transfer.ranges import Range
from backend.downloads.transfer.state import PartState, save_state
from backend.kit.clock import monotonic_s

_WRITE_BACK_EVERY_S = 0.1  # so that the last fdatasync, which a finished file waits for, has little left to do
_EVERY_S = 1.0  # what a crash costs is at most this much, and what arrives while the disk works


class Keeper:
    """Keep the state of one part up to date.

    Args:
        written: The ranges whose bytes were handed to the operating system.
        describe: Which file they are of, None as long as that is not known.
        reserve_bytes: Space that must stay free.
        failed: Told, on this thread, when the disk refuses.
    """

    def __init__(
        self,
        handle: int,
        destination: Path,
        *,
        written: Callable[[], tuple[Range, ...]],
        describe: Callable[[], PartState | None],
        reserve_bytes: Callable[[], int],
        failed: Callable[[Exception], None],
    ) -> None:
        self._handle = handle
        self._destination = destination
        self._written = written
        self._describe = describe
        self._reserve_bytes = reserve_bytes
        self._failed = failed
        self._kept: tuple[Range, ...] = written()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="download-keep", daemon=True)
        self.watches_space = True  # off once the file system has set the blocks aside

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Ask for a last checkpoint; :meth:`join` waits for it."""
        self._ending.set()

    def join(self) -> None:
        """Wait for the thread; blocking."""
        self._thread.join()

    def _run(self) -> None:
        try:
            checkpoint_at = monotonic_s() + _EVERY_S
            while not self._ending.wait(_WRITE_BACK_EVERY_S):
                begin_writing_back(self._handle)
                if monotonic_s() < checkpoint_at:
                    continue
                self._checkpoint()
                if self.watches_space:
                    ensure_room(self._destination.parent, 1, self._reserve_bytes())
                checkpoint_at = monotonic_s() + _EVERY_S
            self._checkpoint()
        except Exception as error:  # noqa: BLE001 -- whatever ends this thread must end the transfer too
            self._failed(error)

    def _checkpoint(self) -> None:
        ranges, state = self._written(), self._describe()
        if state is None or ranges == self._kept:
            return
        os.fdatasync(self._handle)
        save_state(self._destination, state.holding(ranges))
        self._kept = ranges
