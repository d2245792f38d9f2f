"""Which bytes of a file are there: sorted, disjoint, half-open ranges."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

Range = tuple[int, int]


class Ranges:
    """Hold the ranges [start, stop) that are present; neighbours melt into one."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._ranges: list[Range] = []
        for start, stop in ranges:
            self.add(start, stop)

    def add(self, start: int, stop: int) -> None:
        """Mark the bytes from *start* up to *stop* as present."""
        if start >= stop:
            return
        ranges = self._ranges
        first = max(0, bisect_left(ranges, (start, 0)) - 1)
        if first < len(ranges) and ranges[first][1] < start:
            first += 1
        last = first
        while last < len(ranges) and ranges[last][0] <= stop:
            start, stop = min(start, ranges[last][0]), max(stop, ranges[last][1])
            last += 1
        ranges[first:last] = [(start, stop)]

    def snapshot(self) -> tuple[Range, ...]:
        """Return the ranges as they are now."""
        return tuple(self._ranges)

    @property
    def prefix(self) -> int:
        """How many bytes are present without a gap from the beginning."""
        return self._ranges[0][1] if self._ranges and self._ranges[0][0] == 0 else 0

    @property
    def total(self) -> int:
        """How many bytes are present."""
        return sum(stop - start for start, stop in self._ranges)

    @property
    def end(self) -> int:
        """Where the last range stops."""
        return self._ranges[-1][1] if self._ranges else 0

    def gaps(self, size: int) -> list[Range]:
        """Return the ranges that are missing from a file of *size* bytes."""
        missing: list[Range] = []
        at = 0
        for start, stop in self._ranges:
            if start > at:
                missing.append((at, start))
            at = stop
        if at < size:
            missing.append((at, size))
        return missing
