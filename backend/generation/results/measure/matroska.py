"""WebM and Matroska: duration and picture size from `Info` and `Tracks` (RFC 8794 for EBML, RFC 9559 for the elements)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from backend.generation.results.measure.measured import Measured

_MAX_ELEMENTS = 2000
_SEGMENT, _INFO, _TRACKS, _ENTRY, _VIDEO, _CLUSTER = (
    0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0x1F43B675,
)  # fmt: skip
_SCALE, _DURATION, _WIDTH, _HEIGHT = 0x2AD7B1, 0x4489, 0xB0, 0xBA
_CONTAINERS = frozenset({_SEGMENT, _INFO, _TRACKS, _ENTRY, _VIDEO})
_WANTED = frozenset({_SCALE, _DURATION, _WIDTH, _HEIGHT})
_DEFAULT_SCALE_NS = 1_000_000


def measure(file: BinaryIO, size_bytes: int) -> Measured:
    """Return what the headers before the first cluster say.

    Raises:
        struct.error, IndexError: An element is cut.
    """
    found: dict[int, bytes] = {}
    for element, data in _elements(file, 0, size_bytes):
        found.setdefault(element, data)
    duration = _float(found.get(_DURATION, b""))
    scale_ns = int.from_bytes(found.get(_SCALE, b""), "big") or _DEFAULT_SCALE_NS
    return Measured(
        int.from_bytes(found.get(_WIDTH, b""), "big") or None,
        int.from_bytes(found.get(_HEIGHT, b""), "big") or None,
        None if duration is None else round(duration * scale_ns / 1e9, 3),
    )


def _elements(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    for _ in range(_MAX_ELEMENTS):
        if start >= end:
            return
        file.seek(start)
        element, _ = _number(file, keep_marker=True)
        length, is_unknown = _number(file, keep_marker=False)
        start = file.tell()
        if element == _CLUSTER:
            return
        stop = end if is_unknown else min(end, start + length)
        if element in _CONTAINERS:
            yield from _elements(file, start, stop)
        elif element in _WANTED:
            yield element, file.read(min(length, 8))
        start = stop


def _number(file: BinaryIO, *, keep_marker: bool) -> tuple[int, bool]:
    """Read a variable-size integer; all bits set means "unknown"."""
    first = file.read(1)[0]
    width = 9 - first.bit_length()
    if width > 8:
        raise struct.error("not an EBML number")
    value = first if keep_marker else first & (0xFF >> width)
    rest = file.read(width - 1)
    number = (value << (8 * (width - 1))) | int.from_bytes(rest, "big")
    return number, not keep_marker and number == (1 << (7 * width)) - 1


def _float(data: bytes) -> float | None:
    if len(data) == 8:
        return float(struct.unpack(">d", data)[0])
    return float(struct.unpack(">f", data)[0]) if len(data) == 4 else None
