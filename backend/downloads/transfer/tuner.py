"""How many connections one file should have: more while more is faster, and back where it is not.

A host that limits each connection, or one far away, rewards every connection; a line that one connection fills punishes
them: the blocks arrive out of order, and have to be read back to be hashed.
"""

from __future__ import annotations

from collections import deque

_EVERY_S = 0.25
_MEASURE_S = 0.5  # two samples; the first is not counted: new connections begin slowly, paused sockets with a burst
_CONDEMN_S = 1.0  # to find that connections do not pay takes longer
_ROUND_TRIPS = 8
_GAIN = 1.15  # less than that is noise
_WORTH_S = 1.5  # a file that is done by then needs no help
_HOLD_S, _LONGEST_HOLD_S = 4.0, 240.0
_CROWDED_HOLD_S = 60.0
_FIRST_STEP = 8  # one trial instead of three: each costs half a second at the old speed


class Tuner:
    """Follow one file.

    Args:
        limit: The most connections.
        begin_with: What paid at this host before.
        have_bytes: What an earlier run left.
    """

    def __init__(self, limit: int, begin_with: int, now: float, have_bytes: int = 0) -> None:
        self._limit = limit
        self._ceiling = limit
        self._held_until = 0.0
        self._hold_s = _HOLD_S
        self._sampled_at = now
        self._sampled_bytes = have_bytes
        self._rates: deque[float] = deque(maxlen=4)
        self._changed_at = now
        self._trial: tuple[int, float] | None = None
        self.target = max(1, min(limit, begin_with))

    @property
    def speed_bytes_s(self) -> float:
        """The speed of the last second; 0 before the first sample."""
        return sum(self._rates) / len(self._rates) if self._rates else 0.0

    @property
    def proven(self) -> int:
        """How many connections have paid, without those that are on trial."""
        return self.target if self._trial is None else self._trial[0]

    def sample(self, received_bytes: int, left_bytes: int, now: float, *, share: int, round_trip_s: float) -> None:
        """Measure, and choose how many connections shall work; a quarter of a second apart.

        Args:
            share: What the host's limit leaves for this file.
        """
        passed_s = now - self._sampled_at
        if passed_s >= _EVERY_S:
            self._rates.append(max(0, received_bytes - self._sampled_bytes) / passed_s)
            self._sampled_at, self._sampled_bytes = now, received_bytes
            if now >= self._held_until:
                self._ceiling = self._limit
            measured = now - self._changed_at >= max(_MEASURE_S, _ROUND_TRIPS * round_trip_s)
            if measured and self._rates:
                self._judge(left_bytes, now, min(self._ceiling, share))
        self.target = max(1, min(self.target, self._ceiling, share))

    def crowded(self, active: int, now: float) -> None:
        """The host wants fewer connections than it got: keep to what works for a while."""
        self._trial = None
        self._ceiling = max(1, min(self._ceiling, active))
        self.target = self._ceiling
        self._held_until = now + _CROWDED_HOLD_S

    def _judge(self, left_bytes: int, now: float, allowed: int) -> None:
        rate = self._rates[-1]
        if self._trial is not None:
            before, rate_before = self._trial
            if rate < rate_before * _GAIN and now - self._changed_at < _CONDEMN_S:
                return
            self._trial = None
            if max(rate, self.speed_bytes_s) < rate_before * _GAIN:
                self.target = self._ceiling = before
                self._held_until, self._hold_s = now + self._hold_s, min(_LONGEST_HOLD_S, self._hold_s * 2)
                return
        if self.target < allowed and left_bytes > rate * _WORTH_S and rate > 0:
            self._trial = (self.target, rate)
            self.target, self._changed_at = min(allowed, max(_FIRST_STEP, self.target * 2)), now
