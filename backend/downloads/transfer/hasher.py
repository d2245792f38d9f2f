"""The sha256 of a file while it arrives: a thread that follows the bytes which are there without a gap.

A block that is next in line is hashed from memory, where it still is; anything else is read back a moment later, from the
page cache as a rule. After a restart the bytes of earlier runs are read from the disk the same way.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable

from backend.downloads.transfer.blocks import BLOCK_BYTES, Block, BlockPool
from backend.downloads.transfer.terms import Meter

_READY_BLOCKS = 12  # kept in memory for the hash; together with the writer's queue tens of MiB at most
_LAG_BLOCKS = 8
_NEAR_BYTES = 16 * BLOCK_BYTES


class Hasher:
    """Hash one open file.

    Args:
        failed: Told, on this thread, when the file cannot be read back.
        caught_up: Told when blocks can be taken again after a lag.
    """

    def __init__(
        self,
        handle: int,
        pool: BlockPool,
        meter: Meter,
        *,
        failed: Callable[[OSError], None],
        caught_up: Callable[[], None],
    ) -> None:
        self._handle = handle
        self._pool = pool
        self._meter = meter
        self._failed = failed
        self._caught_up = caught_up
        self._changed = threading.Condition()
        self._ready: dict[int, Block] = {}
        self._prefix = 0
        self._hashed = 0
        self._stopped = False
        self._complete = False
        self._digest: str | None = None
        self._thread = threading.Thread(target=self._run, name="download-hash", daemon=True)

    def start(self, prefix: int) -> None:
        """Begin; *prefix* bytes are in the file from an earlier run."""
        self._prefix = prefix
        self._thread.start()

    @property
    def lags(self) -> bool:
        """Whether it holds as many blocks as it may and has work to do."""
        return len(self._ready) >= _LAG_BLOCKS and self._prefix > self._hashed

    def advance(self, block: Block, prefix: int) -> None:
        """Take over a block that is in the file now; *prefix* bytes are there without a gap."""
        with self._changed:
            near = block.offset <= self._hashed + _NEAR_BYTES
            keep = near and len(self._ready) < _READY_BLOCKS and block.offset not in self._ready
            if keep:
                self._ready[block.offset] = block
            if prefix > self._prefix:
                self._prefix = prefix
                self._changed.notify()
        if not keep:
            self._pool.give_back(block)

    def finish(self) -> None:
        """Say that no more bytes will come."""
        with self._changed:
            self._complete = True
            self._changed.notify()

    def stop(self) -> None:
        """Give the hash up."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def digest(self) -> str | None:
        """Wait for the thread; return the 64 hex digits, None when it was stopped or failed; blocking."""
        self._thread.join()
        return self._digest

    def _run(self) -> None:
        sha256 = hashlib.sha256()
        buffer = memoryview(bytearray(BLOCK_BYTES))
        while self._wait_for_bytes():
            with self._changed:
                lagged = self.lags
                block = self._ready.pop(self._hashed, None)
                self._drop_passed_blocks()
            if block is not None:
                sha256.update(block.filled)
                count = block.fill
                self._pool.give_back(block)
            else:
                count = self._read(buffer)
                if not count:
                    return
                sha256.update(buffer[:count])
            self._hashed += count
            self._meter.bytes_verified = self._hashed
            if lagged and not self.lags:
                self._caught_up()
        if not self._stopped:
            self._digest = sha256.hexdigest()

    def _wait_for_bytes(self) -> bool:
        with self._changed:
            while self._prefix <= self._hashed and not self._stopped and not self._complete:
                self._changed.wait()
            return not self._stopped and self._prefix > self._hashed

    def _drop_passed_blocks(self) -> None:
        for offset in [offset for offset in self._ready if offset < self._hashed]:
            self._pool.give_back(self._ready.pop(offset))

    def _read(self, buffer: memoryview) -> int:
        try:
            count = os.preadv(self._handle, [buffer[: min(BLOCK_BYTES, self._prefix - self._hashed)]], self._hashed)
        except OSError as error:
            self._failed(error)
            return 0
        if not count:
            self._failed(OSError("the part is shorter than it was"))
        return count
