"""The log of the ComfyUI that Hearth runs itself; its last lines are in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from backend.comfyui import LogLine, LogRing
from backend.system.logs.entry import Entry, LevelReader
from backend.system.logs.ports import LogReader

_UNREAD = 1_000


class RingLog:
    """Read a :class:`~backend.comfyui.LogRing`."""

    def __init__(self, ring: LogRing) -> None:
        self._ring = ring

    def tail(self, count: int) -> list[Entry]:
        """Return the last *count* lines."""
        return _entries(self._ring.lines[-count:] if count else ())

    def follow(self, count: int) -> tuple[list[Entry], LogReader]:
        """Return the last *count* lines, and a reader that goes on after them."""
        reader = _RingReader(self._ring)
        lines = self._ring.lines
        reader.leave_out(lines)  # what came in between was heard and is in the ring
        return _entries(lines[-count:] if count else ()), reader

    def whole(self) -> Iterator[bytes]:
        """Yield what is kept."""
        for line in self._ring.lines:
            yield f"{line.at.isoformat(timespec='milliseconds')}  {line.text}\n".encode()


class _RingReader:
    def __init__(self, ring: LogRing) -> None:
        self._unread: deque[LogLine] = deque(maxlen=_UNREAD)
        self._levels = LevelReader()
        self._stop = ring.listen(self._hear)

    def leave_out(self, lines: tuple[LogLine, ...]) -> None:
        known = set(map(id, lines))
        while self._unread and id(self._unread[0]) in known:
            self._unread.popleft()

    def read(self) -> list[Entry]:
        taken: list[LogLine] = []
        while self._unread:
            taken.append(self._unread.popleft())
        return _entries(taken, self._levels)

    def close(self) -> None:
        self._stop()

    def _hear(self, line: LogLine) -> None:
        if self._unread and self._unread[-1].is_passing:
            self._unread.pop()
        self._unread.append(line)


def _entries(lines: tuple[LogLine, ...] | list[LogLine], levels: LevelReader | None = None) -> list[Entry]:
    levels = levels or LevelReader()
    return [Entry(line.at, levels.read(line.text), line.text) for line in lines]
