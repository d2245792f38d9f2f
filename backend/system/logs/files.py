"""The log of a service that s6-log writes: a folder with ``current`` and older files, which are named by their time.

s6-log renames ``current`` to ``@<TAI64N>.s`` (or ``.u`` after a crash) and begins a new one; the oldest are deleted
(s6-log.html, "Log directories"). The names sort by time. Memory is bounded whatever the size of the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path

from backend.system.logs.entry import Entry, LevelReader, parse_line
from backend.system.logs.ports import LogReader

_BLOCK_BYTES = 64 * 1024
_TAIL_BYTES = 4 * 1024**2  # so far one goes back for lines, even when they are long
_READ_BYTES = 128 * 1024
_BEHIND_BYTES = 1024**2  # a reader that is further behind than this leaves out what lies between
_BLANK = 8
_LONGEST_LINE = 64 * 1024
CURRENT = "current"
_PASSING = "previous"


class FileLog:
    """Read the folder of one service; it need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def tail(self, count: int) -> list[Entry]:
        """Return the last *count* lines, oldest first, from as many files as it takes."""
        entries, reader = self.follow(count)
        reader.close()
        return entries

    def follow(self, count: int) -> tuple[list[Entry], LogReader]:
        """Return the last *count* lines, and a reader that goes on after them, over rotations."""
        handle = _opened(self._folder / CURRENT)
        end = 0 if handle is None else os.fstat(handle.fileno()).st_size
        wanted = count + count // 2 + _BLANK if count else 0  # some are blank, and left out
        raw = [] if handle is None else _last_lines(handle, end, wanted)
        complete = bool(raw) and raw[-1].endswith(b"\n")
        rest = b"" if complete or not raw else raw.pop()
        if len(raw) < wanted:
            raw = [*self._older_lines(wanted - len(raw), handle), *raw]
        if handle is not None:
            handle.seek(end)
        entries = _entries(raw)[-count:] if count else []
        return entries, _FileReader(self._folder, handle, rest)

    def whole(self) -> Iterator[bytes]:
        """Yield everything that is kept, oldest first, with times that people read."""
        for path in (*archives(self._folder), self._folder / CURRENT):
            with suppress(FileNotFoundError), path.open("rb") as file:
                while lines := file.readlines(_BLOCK_BYTES):
                    yield b"".join(map(_readable, lines))

    def _older_lines(self, count: int, current: FileIO | None) -> list[bytes]:
        lines: list[bytes] = []
        inode = None if current is None else os.fstat(current.fileno()).st_ino
        for path in reversed(archives(self._folder)):
            if len(lines) >= count:
                break
            handle = _opened(path)
            if handle is None:
                continue
            with handle:
                if os.fstat(handle.fileno()).st_ino != inode:  # else it was rotated since it was opened
                    size = os.fstat(handle.fileno()).st_size
                    lines = [*_last_lines(handle, size, count - len(lines)), *lines]
        return lines


class _FileReader:
    def __init__(self, folder: Path, handle: FileIO | None, rest: bytes) -> None:
        self._folder = folder
        self._handle = handle
        self._rest = rest
        self._levels = LevelReader()

    def read(self) -> list[Entry]:
        if self._handle is None:
            self._handle = _opened(self._folder / CURRENT)
            if self._handle is None:
                return []
        data = self._next_bytes()
        if not data and self._is_rotated():
            # Nobody writes to it any more, but somebody may have until a moment ago.
            data = self._next_bytes()
            if not data and self._go_on():
                data = self._next_bytes()
        lines = (self._rest + data).splitlines(keepends=True)
        self._rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        return _entries(lines, self._levels)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _next_bytes(self) -> bytes:
        assert self._handle is not None
        place, size = self._handle.tell(), os.fstat(self._handle.fileno()).st_size
        if size < place:  # somebody emptied the file
            self._handle.seek(0)
        elif size - place > _BEHIND_BYTES:
            self._handle.seek(size - _READ_BYTES)
            self._handle.readline()
            self._rest = b""
        return self._handle.read(_READ_BYTES) or b""

    def _is_rotated(self) -> bool:
        assert self._handle is not None
        with suppress(FileNotFoundError):
            return (self._folder / CURRENT).stat().st_ino != os.fstat(self._handle.fileno()).st_ino
        return False  # for an instant there is none: the next look finds it

    def _go_on(self) -> bool:
        """At the end of a file that was rotated away, open the one that was begun after it."""
        assert self._handle is not None
        inode = os.fstat(self._handle.fileno()).st_ino
        path = self._after(inode)
        following = _opened(path)
        while following is not None and (after := self._after(inode)) != path:
            # It was rotated away too before it was opened: what is called current now is not the next one.
            following.close()
            path, following = after, _opened(after)
        if following is None:
            return False
        self._handle.close()
        self._handle = following
        return True

    def _after(self, inode: int) -> Path:
        older = archives(self._folder)
        for place, path in enumerate(older[:-1]):
            with suppress(FileNotFoundError):
                if path.stat().st_ino == inode:
                    return older[place + 1]
        return self._folder / CURRENT


def archives(folder: Path) -> list[Path]:
    """Return the files that were rotated away, oldest first.

    Between ``current`` and its place among them a file is called ``previous`` for an instant. It is looked for before the
    others, so that a file on its way is seen once at least.
    """
    passing = [folder / _PASSING] if (folder / _PASSING).exists() else []
    with suppress(FileNotFoundError, NotADirectoryError):
        kept = sorted(path for path in folder.iterdir() if path.name.startswith("@") and path.suffix in (".s", ".u"))
        return [*kept, *passing]
    return []


def _opened(path: Path) -> FileIO | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        return path.open("rb", buffering=0)
    return None


def _last_lines(handle: FileIO, end: int, count: int) -> list[bytes]:
    """Read backwards until *count* whole lines, and what follows the last of them, are there."""
    data, start = b"", end
    while start > 0 and data.count(b"\n") <= count and end - start < _TAIL_BYTES:
        step = min(_BLOCK_BYTES, start)
        start -= step
        handle.seek(start)
        data = handle.read(step) + data
    lines = data.splitlines(keepends=True)
    if start > 0:
        del lines[0]  # it begins further up
    unfinished = bool(lines) and not lines[-1].endswith(b"\n")
    return lines[-(count + unfinished) :] if count + unfinished else []


def _entries(lines: list[bytes], levels: LevelReader | None = None) -> list[Entry]:
    levels = levels or LevelReader()
    entries: list[Entry] = []
    for raw in lines:
        at, text = parse_line(raw)
        level = levels.read(text)
        if text.strip():
            entries.append(Entry(at, level, text))
    return entries


def _readable(raw: bytes) -> bytes:
    at, text = parse_line(raw)
    stamp = "" if at is None else f"{at.isoformat(timespec='milliseconds')}  "
    return f"{stamp}{text}\n".encode()
