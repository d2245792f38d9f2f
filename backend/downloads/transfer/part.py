"""``NAME.part`` while it is filled: a queue of blocks, the thread that writes them, the hash and the checkpoints beside it.

Three threads work on one part: the writer (below), the hasher and the keeper. Blocks come from the pump's thread, which
asks for room first; the rest of the class is for the transfer, off the event loop.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from backend.downloads.errors import DownloadError
from backend.downloads.transfer.blocks import Block, BlockPool
from backend.downloads.transfer.disk import disk_error, reserve
from backend.downloads.transfer.hasher import Hasher
from backend.downloads.transfer.keeper import Keeper
from backend.downloads.transfer.ranges import Range, Ranges
from backend.downloads.transfer.state import PartState
from backend.downloads.transfer.terms import Meter

_QUEUE_BLOCKS = 8  # what a slow disk may hold up before the sockets are paused
_HEAD_BYTES = 512
# The page cache takes as large a folio as the write allows, and beyond this it has to make room for it first where memory is
# in use for small ones: up to 1.8 CPU-s/GB instead of 0.13.
_WRITE_BYTES = 64 << 10


class Part:
    """The unfinished file of one transfer.

    Args:
        handle: The open and locked file, see ``disk.open_part``; :meth:`release` closes it.
        ranges: What an earlier run left in it.
        describe: Which file it is, for the state; None as long as that is not known.
        look_at_head: Called on the writer's thread with the first bytes of the file; raises to refuse it.
        failed: Told, from another thread, when the part cannot be filled any more.
        room_again: Told, from another thread, when blocks can be put after there was no room.
    """

    def __init__(
        self,
        destination: Path,
        handle: int,
        ranges: Ranges,
        meter: Meter,
        *,
        describe: Callable[[], PartState | None],
        look_at_head: Callable[[bytes], None],
        reserve_bytes: Callable[[], int],
        failed: Callable[[Exception], None],
        room_again: Callable[[], None],
    ) -> None:
        self._folder = destination.parent
        self._ranges = ranges
        self._look_at_head = look_at_head
        self._reserve_bytes = reserve_bytes
        self._tell_failure = failed
        self._room_again = room_again
        self._queue: SimpleQueue[Block | Callable[[], object] | None] = SimpleQueue()
        self._put = 0  # changed by the pump's thread only
        self._written = 0  # changed by the writer's thread only
        self._error: Exception | None = None
        self.pool = BlockPool()
        self.waits_for_hash = True
        self.handle = handle
        self._hasher = Hasher(self.handle, self.pool, meter, failed=self._fail, caught_up=room_again)
        self._keeper = Keeper(
            self.handle,
            destination,
            written=ranges.snapshot,
            describe=describe,
            reserve_bytes=reserve_bytes,
            failed=self._fail,
        )
        self._writer = threading.Thread(target=self._write, name="download-write", daemon=True)
        self._writer.start()
        self._hasher.start(ranges.prefix)
        self._keeper.start()

    def has_room(self) -> bool:
        """Tell whether a block may be put; with ``waits_for_hash`` also the hasher's lag counts.

        One connection waits for the hasher, so that no byte is read twice. Several do not: their blocks are out of order
        anyway.
        """
        if self._put - self._written >= _QUEUE_BLOCKS or self._error is not None:
            return False
        return not (self.waits_for_hash and self._hasher.lags)

    def put(self, block: Block) -> None:
        """Hand over a block to be written; the pool gets it back."""
        if not block.fill:
            self.pool.give_back(block)
            return
        self._put += 1
        self._queue.put(block)

    def expect(self, size_bytes: int) -> None:
        """Let the writer make room for the whole file; there is no room for blocks until it has."""
        self._put += _QUEUE_BLOCKS
        self._queue.put(lambda: self._reserve(size_bytes))

    def written(self) -> tuple[Range, ...]:
        """Return the ranges that are in the file, durable or not."""
        return self._ranges.snapshot()

    @property
    def prefix(self) -> int:
        """How many bytes are in the file without a gap from its beginning."""
        return self._ranges.prefix

    def gaps(self, size_bytes: int) -> list[Range]:
        """Return what is missing."""
        return self._ranges.gaps(size_bytes)

    def drain(self) -> None:
        """Wait until every block that was put is in the file; blocking."""
        reached = threading.Event()
        self._queue.put(reached.set)
        reached.wait()

    def finish(self) -> str:
        """Write and hash everything, put it on the disk, and return the sha256; blocking.

        Raises:
            DownloadError: The disk refused, or the part was closed meanwhile.
        """
        self._end_writer()
        self._keeper.finish()
        self._hasher.finish()
        digest = self._hasher.digest()
        self._keeper.join()
        if self._error is not None:
            raise self._error
        if digest is None:
            raise DownloadError("The transfer was ended while the file was verified.")
        return digest

    def close(self) -> None:
        """Write what was put, give up the hash, make a last checkpoint, end the threads; blocking."""
        self._hasher.stop()
        self._end_writer()
        self._keeper.finish()
        self._hasher.digest()
        self._keeper.join()

    def release(self) -> None:
        """Close the file, which also unlocks it; after :meth:`close`."""
        os.close(self.handle)

    def _end_writer(self) -> None:
        self._queue.put(None)
        self._writer.join()

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                if isinstance(item, Block):
                    self._write_block(item)
                else:
                    item()
            except Exception as error:  # noqa: BLE001 -- whatever the writer meets must end the transfer, not the thread
                self._fail(error)
            if self._put - self._written == _QUEUE_BLOCKS // 2:
                self._room_again()

    def _reserve(self, size_bytes: int) -> None:
        try:
            self._keeper.watches_space = not reserve(self.handle, self._folder, size_bytes, self._reserve_bytes())
        finally:
            self._written += _QUEUE_BLOCKS
            self._room_again()

    def _write_block(self, block: Block) -> None:
        try:
            if self._error is not None:
                return
            if block.offset == 0:
                self._look_at_head(bytes(block.filled[:_HEAD_BYTES]))
            left, offset = block.filled, block.offset
            while left:
                count = os.pwrite(self.handle, left[:_WRITE_BYTES], offset)
                left, offset = left[count:], offset + count
            self._ranges.add(block.offset, block.stop)
            self._hasher.advance(block, self._ranges.prefix)
        finally:
            self._written += 1

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            named: Exception = error
            if isinstance(error, OSError):
                with contextlib.suppress(OSError):
                    named = disk_error(error, self._folder)
            self._error = named
            self._tell_failure(named)
