"""The bandwidth limit of all transfers together: a token bucket per file, refilled in equal shares."""

from __future__ import annotations

from collections import Counter

from backend.kit.clock import monotonic_s

_REFILL_EVERY_S = 0.002
_LONGEST_REFILL_S = 0.5  # after a pause of the process nobody may burst
_BURST_S = 0.05
_SMALLEST_BURST_BYTES = 64 << 10  # four reads of libcurl


class Bucket:
    """The bytes that one file may take; negative after a read that was larger than what was left."""

    __slots__ = ("tokens",)

    def __init__(self) -> None:
        self.tokens = 0.0


class Throttle:
    """Share ``rate_bytes_s`` (0: no limit) among the files that have a request running.

    What one file cannot use the others get. Only the pump's thread calls it; setting the rate is safe from anywhere.
    """

    def __init__(self, rate_bytes_s: int) -> None:
        self.rate_bytes_s = rate_bytes_s
        self._members: Counter[Bucket] = Counter[Bucket]()
        self._refilled_at = monotonic_s()

    def join(self, bucket: Bucket) -> None:
        """Count a running request of a file."""
        self._members[bucket] += 1

    def leave(self, bucket: Bucket) -> None:
        """Count off a request that has ended."""
        self._members[bucket] -= 1
        if self._members[bucket] <= 0:
            del self._members[bucket]

    def allows(self, bucket: Bucket, size_bytes: int) -> bool:
        """Take *size_bytes* out of the bucket unless it is empty."""
        if not self.rate_bytes_s:
            return True
        self._refill()
        if bucket.tokens <= 0:
            return False
        bucket.tokens -= size_bytes
        return True

    def _refill(self) -> None:
        now = monotonic_s()
        passed_s = now - self._refilled_at
        if passed_s < _REFILL_EVERY_S or not self._members:
            return
        self._refilled_at = now
        left = min(passed_s, _LONGEST_REFILL_S) * self.rate_bytes_s
        thirsty: list[Bucket] = list(self._members)
        full = max(self.rate_bytes_s * max(_BURST_S, passed_s) / len(thirsty), _SMALLEST_BURST_BYTES)
        while left >= 1 and thirsty:
            share, left = left / len(thirsty), 0.0
            for bucket in thirsty:
                poured = bucket.tokens + share
                bucket.tokens = min(poured, full)
                left += poured - bucket.tokens
            thirsty = [bucket for bucket in thirsty if bucket.tokens < full]
