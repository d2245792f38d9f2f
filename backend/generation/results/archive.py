"""A ZIP of results that is written while it is sent: never whole in memory, and nothing on disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from backend.generation.results.item import Item

_CHUNK_BYTES = 256 * 1024
_FIRST_YEAR = 1980  # ZIP knows no earlier date


class _Pipe(io.RawIOBase):
    """Take what the archive writes and hand it on; it cannot be sought, so sizes follow each file."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: memoryview | bytes, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def stream_zip(files: Sequence[tuple[Item, Path]]) -> Iterator[bytes]:
    """Yield an archive of *files*, blocking between the pieces; pictures and films are stored, packing would not pay.

    Names are those that people know, made distinct where two are the same; a file that is gone is left out.

    Raises:
        OSError: A file cannot be read on; the archive is not complete.
    """
    pipe = _Pipe()
    taken: set[str] = set()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for item, path in files:
            try:
                source = path.open("rb")
            except FileNotFoundError:
                continue
            with source:
                entry = _entry(item, path, _distinct(item.name, taken))
                with archive.open(entry, "w", force_zip64=entry.file_size > zipfile.ZIP64_LIMIT // 2) as target:
                    while chunk := source.read(_CHUNK_BYTES):
                        target.write(chunk)
                        yield pipe.take()
    yield pipe.take()


def _entry(item: Item, path: Path, name: str) -> zipfile.ZipInfo:
    year, month, day = (int(part) for part in item.created_at[:10].split("-"))
    hour, minute, second = (int(part) for part in item.created_at[11:19].split(":"))
    entry = zipfile.ZipInfo(name, (max(year, _FIRST_YEAR), month, day, hour, minute, second))
    entry.file_size = path.stat().st_size
    entry.external_attr = 0o644 << 16
    return entry


def _distinct(name: str, taken: set[str]) -> str:
    """Return *name* with a number before its extension when it is taken, whatever the case of its letters."""
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    candidate, number = name, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{stem} ({number}){suffix}"
    taken.add(candidate.casefold())
    return candidate
