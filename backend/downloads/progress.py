"""How fast, how far, how long still: numbers for people, from counters that the transfer writes.

Speed is the mean of the last 10 s in which younger seconds weigh more (half-life 3 s). There is no time left in the
first 3 s, nor without a speed. Progress never goes back unless the transfer begins anew, and stays at 99 % until the
content is verified.
"""

from __future__ import annotations

from collections import deque
from math import ceil

WINDOW_S = 10.0
HALF_LIFE_S = 3.0
QUIET_S = 3.0  # no time left before a transfer is this old
STALLED_AFTER_S = 5.0
NOT_YET_DONE = 0.99


class Speedometer:
    """Derive the speed of one transfer from samples of its byte counter, taken a few times a second."""

    def __init__(self, now_s: float, done_bytes: int) -> None:
        self._began_s = now_s
        self._last = (now_s, done_bytes)
        self._spans: deque[tuple[float, float, int]] = deque()  # end, length in seconds, bytes

    def sample(self, now_s: float, done_bytes: int) -> None:
        """Take the counter at *now_s* (monotonic); a counter that went back counts as no progress."""
        before_s, before_bytes = self._last
        if now_s > before_s:
            self._spans.append((now_s, now_s - before_s, max(0, done_bytes - before_bytes)))
            self._last = (now_s, done_bytes)
        while self._spans and self._spans[0][0] < now_s - WINDOW_S:
            self._spans.popleft()

    def speed_bytes_s(self, now_s: float) -> float:
        """Return the weighted mean; 0 before the second sample."""
        weighted_bytes = weighted_s = 0.0
        for end_s, length_s, moved_bytes in self._spans:
            weight = 2.0 ** ((end_s - now_s) / HALF_LIFE_S)
            weighted_bytes += weight * moved_bytes
            weighted_s += weight * length_s
        return weighted_bytes / weighted_s if weighted_s else 0.0

    def eta_s(self, now_s: float, left_bytes: int | None) -> int | None:
        """Return the whole seconds left, rounded up; None while nothing honest can be said."""
        if left_bytes is None or now_s - self._began_s < QUIET_S:
            return None
        return time_left_s(left_bytes, self.speed_bytes_s(now_s))


class HighWater:
    """Keep a number from going back within one attempt; a new attempt may begin lower."""

    def __init__(self) -> None:
        self._attempt = 0
        self._highest = 0

    def reached(self, value: int, attempt: int) -> int:
        """Return the highest value of this attempt so far."""
        if attempt != self._attempt:
            self._attempt, self._highest = attempt, 0
        self._highest = max(self._highest, value)
        return self._highest


def time_left_s(left_bytes: int, speed_bytes_s: float) -> int | None:
    """Return the whole seconds that *left_bytes* take, rounded up; None without a speed."""
    return ceil(left_bytes / speed_bytes_s) if speed_bytes_s >= 1 else None


def ratio(done: int, total: int | None, *, complete: bool) -> float | None:
    """Return the share that is done, from 0 to 1; below 1 until it is complete, None while the whole is unknown."""
    if complete:
        return 1.0
    if not total:
        return None
    return min(NOT_YET_DONE, done / total)
