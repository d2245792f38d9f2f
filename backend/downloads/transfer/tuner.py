"""How many connections one file should have: one while it fills the line, more where more is faster, and back where not.

A host that limits each connection, or one far away, rewards every connection; a line that one connection fills punishes
them: the blocks arrive out of order, and have to be read back to be hashed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_EVERY_S = 0.25
_CONDEMN_S = 1.0  # to find that connections make no difference takes longer
_ROUND_TRIPS = 8
_GAIN = 1.2  # less than that is noise
_FULL_GAIN = 1.6  # the second brings nearly what the first does: it is each connection that is limited
_WORTH_S = 3.0  # a file that is done by then needs no help
_WAITING = 0.35  # of the time: what waits less for its line cannot become half as fast again by having more of it
_HOLD_S, _LONGEST_HOLD_S = 4.0, 240.0
_CROWDED_HOLD_S = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a file has come to.

    Args:
        received_bytes: Since its beginning.
        waited_s: How long nothing but the line has kept bytes from coming, since whenever.
        left_bytes: What is still to come.
    """

    at: float
    received_bytes: int
    waited_s: float
    left_bytes: int


@dataclass(slots=True)
class _Trial:
    before: int
    rate_before: float
    began: Sample
    counted_from: Sample | None = None


class Tuner:
    """Follow one file.

    Args:
        limit: The most connections.
        begin_with: What paid at this host before.
    """

    def __init__(self, limit: int, begin_with: int) -> None:
        self._limit = limit
        self._ceiling = limit
        self._held_until = 0.0
        self._hold_s = _HOLD_S
        self._last: Sample | None = None
        self._rates: deque[float] = deque(maxlen=4)
        self._changed_at = 0.0
        self._trial: _Trial | None = None
        self._factor = 2
        self.target = max(1, min(limit, begin_with))

    @property
    def speed_bytes_s(self) -> float:
        """The speed of the last second; 0 before the first sample."""
        return sum(self._rates) / len(self._rates) if self._rates else 0.0

    @property
    def proven(self) -> int:
        """How many connections have paid, without those that are on trial."""
        return self.target if self._trial is None else self._trial.before

    def take(self, sample: Sample, *, share: int, round_trip_s: float) -> None:
        """Choose how many connections shall work; looks at a sample every quarter of a second.

        Args:
            share: What the host's limit leaves for this file.
        """
        last, now = self._last, sample.at
        if last is None:  # bytes come from now on
            self._last, self._changed_at = sample, now
        elif now - last.at >= _EVERY_S:
            self._last = sample
            self._rates.append(_rate(last, sample))
            waiting = (sample.waited_s - last.waited_s) / (now - last.at)
            if now >= self._held_until:
                self._ceiling = self._limit
            settled_s = _ROUND_TRIPS * round_trip_s
            if self._trial is not None:
                self._judge(self._trial, sample, settled_s)
            if self._trial is None and waiting >= _WAITING and now - self._changed_at >= settled_s:
                self._try_more(sample, min(self._ceiling, share))
        self.target = max(1, min(self.target, self._ceiling, share))

    def crowded(self, active: int, now: float) -> None:
        """The host wants fewer connections than it got: keep to what works for a while."""
        self._trial = None
        self._ceiling = max(1, min(self._ceiling, active))
        self.target = self._ceiling
        self._held_until = now + _CROWDED_HOLD_S

    def _try_more(self, sample: Sample, allowed: int) -> None:
        rate = max(self.speed_bytes_s, self._rates[-1])
        if self.target < allowed and 0 < rate * _WORTH_S < sample.left_bytes:
            self._trial = _Trial(self.target, rate, sample)
            self.target = min(allowed, self.target * self._factor)

    def _judge(self, trial: _Trial, sample: Sample, settled_s: float) -> None:
        """End the trial once its worth is known: at once when it pays or harms, later when it makes no difference.

        New connections begin slowly: the first sample of a trial may praise it, but does not count otherwise.
        """
        is_first = trial.counted_from is None
        age_s = sample.at - trial.began.at
        gain = _rate(trial.counted_from or trial.began, sample) / trial.rate_before
        trial.counted_from = trial.counted_from or sample
        if age_s < settled_s or (is_first and gain < _FULL_GAIN):
            return
        if gain >= _GAIN:
            self._factor = self._limit if gain >= _FULL_GAIN else 2
        elif gain < 1 or age_s >= _CONDEMN_S:
            self._factor = 2
            self.target = self._ceiling = trial.before
            self._held_until, self._hold_s = sample.at + self._hold_s, min(_LONGEST_HOLD_S, self._hold_s * 2)
        else:
            return
        self._trial, self._changed_at = None, sample.at


def _rate(earlier: Sample, later: Sample) -> float:
    return max(0, later.received_bytes - earlier.received_bytes) / (later.at - earlier.at)
