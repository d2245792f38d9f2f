"""Animated pictures: whether they move, and for how long, read from chunk headers without decoding a frame.

PNG 3rd edition (acTL, fcTL), the WebP container specification (ANIM, ANMF), GIF89a (graphic control extension).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

_MAX_STEPS = 200_000  # chunks or blocks; an hour at 50 frames a second
_SLOW_DELAY_S = 0.1  # what browsers make of a GIF delay of 0 or 1/100 s

T = TypeVar("T")


def is_animated_png(path: Path) -> bool:
    """Tell whether an animation chunk stands before the picture's data; blocking."""
    return _safely(path, lambda file: any(kind == b"acTL" for kind, _ in _png_chunks(file, stop=b"IDAT")), False)


def is_animated_webp(path: Path) -> bool:
    """Tell whether the container says that it moves; blocking."""
    with path.open("rb") as file:
        head = file.read(21)
    return len(head) == 21 and head[12:16] == b"VP8X" and bool(head[20] & 0x02)


def is_animated_gif(path: Path) -> bool:
    """Tell whether there is more than one frame; blocking, walks no further than to the second."""

    def second(file: BinaryIO) -> bool:
        frames = _gif_delays(file)
        next(frames, None)
        return next(frames, None) is not None

    return _safely(path, second, False)


def duration_s(path: Path, mime: str) -> float | None:
    """Return how long one round of an animation takes; None when the file does not say; blocking."""
    reader = {"image/png": _png_delays, "image/webp": _webp_delays, "image/gif": _gif_delays}.get(mime)
    if reader is None:
        return None
    total = _safely(path, lambda file: sum(reader(file)), 0.0)
    return round(total, 3) or None


def _safely(path: Path, look: Callable[[BinaryIO], T], otherwise: T) -> T:
    """Run *look*; a damaged file is no reason to lose a result."""
    try:
        with path.open("rb") as file:
            return look(file)
    except (struct.error, ValueError, EOFError, IndexError):
        return otherwise


def _png_chunks(file: BinaryIO, stop: bytes = b"IEND") -> Iterator[tuple[bytes, bytes]]:
    """Walk (type, first 26 bytes of the data): more than an fcTL chunk has."""
    file.seek(8)
    for _ in range(_MAX_STEPS):
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == stop:
            return
        data = file.read(min(length, 26))
        yield kind, data
        file.seek(length - len(data) + 4, 1)


def _png_delays(file: BinaryIO) -> Iterator[float]:
    for kind, data in _png_chunks(file):
        if kind == b"fcTL":
            numerator, denominator = struct.unpack(">HH", data[20:24])
            yield numerator / (denominator or 100)


def _webp_delays(file: BinaryIO) -> Iterator[float]:
    file.seek(12)
    for _ in range(_MAX_STEPS):
        head = file.read(8)
        if len(head) < 8:
            return
        kind, length = struct.unpack("<4sI", head)
        data = file.read(min(length, 16))
        if kind == b"ANMF":
            yield int.from_bytes(data[12:15], "little") / 1000
        file.seek(length + length % 2 - len(data), 1)


def _gif_delays(file: BinaryIO) -> Iterator[float]:
    """Yield one delay for each frame."""
    file.seek(10)
    flags = file.read(3)[0]
    _skip_colours(file, flags)
    delay = 0.0
    for _ in range(_MAX_STEPS):
        block = file.read(1)
        if block == b"\x21":
            label = file.read(1)
            data = _gif_data(file)
            if label == b"\xf9" and len(data) >= 3:
                delay = struct.unpack("<H", data[1:3])[0] / 100
        elif block == b"\x2c":
            yield delay if delay > 0.01 else _SLOW_DELAY_S
            delay = 0.0
            _skip_colours(file, struct.unpack("<8xB", file.read(9))[0])
            file.seek(1, 1)
            _gif_data(file)
        else:
            return


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 * 2 ** ((flags & 0x07) + 1), 1)


def _gif_data(file: BinaryIO) -> bytes:
    """Pass over sub-blocks and return the first."""
    first = b""
    while True:
        size = file.read(1)
        if not size:
            raise EOFError
        if size == b"\0":
            return first
        if first:
            file.seek(size[0], 1)
        else:
            first = file.read(size[0])
