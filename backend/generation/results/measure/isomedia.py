"""MP4, MOV and M4A: duration and picture size from the boxes `mvhd` and `tkhd` (ISO/IEC 14496-12, 8.2.2 and 8.3.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from backend.generation.results.measure.measured import Measured

_MAX_BOXES = 10_000
_MAX_HEADER_BYTES = 120
_CONTAINERS = frozenset({b"moov", b"trak"})


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    end: int


def measure(file: BinaryIO, size_bytes: int) -> Measured:
    """Return what the headers say.

    Raises:
        struct.error: A box is cut.
    """
    duration_s: float | None = None
    width = height = 0
    for box in _boxes(file, 0, size_bytes):
        file.seek(box.start)
        data = file.read(min(box.end - box.start, _MAX_HEADER_BYTES))
        if box.kind == b"mvhd":
            duration_s = _duration(data)
        elif box.kind == b"tkhd":
            # The last eight bytes are width and height in 16.16 fixed point; tracks of sound have none.
            width, height = max((width, height), struct.unpack(">II", data[-8:]))
    return Measured(width >> 16 or None, height >> 16 or None, duration_s)


def _duration(data: bytes) -> float | None:
    scale, duration = struct.unpack_from(">IQ", data, 20) if data[0] == 1 else struct.unpack_from(">II", data, 12)
    return round(duration / scale, 3) if scale else None


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        file.seek(start)
        length, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
            header = 16
        stop = end if length == 0 else start + length
        if stop < start + header or stop > end:
            return
        box = _Box(kind, start + header, stop)
        if kind in _CONTAINERS:
            yield from _boxes(file, box.start, box.end)
        else:
            yield box
        start = stop
