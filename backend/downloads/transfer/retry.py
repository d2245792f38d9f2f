"""What may end a request: a setback to wait out, or a reason to begin the file anew; and how long to wait."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from backend.errors import HearthError
from backend.kit.backoff import delay_s
from backend.kit.clock import monotonic_s, utc_now

_CAP_S = 30.0
_PATIENCE_S = 300.0  # a host that asks for more has its answer handed on: the queue decides when to come back
_PROGRESS_BYTES = 1 << 20  # less than this between two failures is no progress: a host may send a little and break off


class Setback(Exception):
    """A request failed and may be made again.

    Args:
        error: What it means when it does not get better.
        wait_s: What the host asked for.
        crowded: The host has too many of our requests: fewer connections.
        relink: The address has expired or moved: find the way anew, without waiting.
    """

    def __init__(
        self, error: HearthError, *, wait_s: float | None = None, crowded: bool = False, relink: bool = False
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait_s = wait_s
        self.crowded = crowded
        self.relink = relink


class StartOver(Exception):
    """What is on the disk is not a part of the file as it is now.

    Args:
        error: What it means when it happens again and again.
        plain: The host's ranges are no good: take the whole file in one stream.
        allowed: How often this may happen to one transfer.
        counted: It is the file's doing; a broken line is counted as a failure already.
    """

    def __init__(self, error: HearthError, *, plain: bool = False, allowed: int = 3, counted: bool = True) -> None:
        super().__init__(error.message)
        self.error = error
        self.plain = plain
        self.allowed = allowed
        self.counted = counted


class Worthless(Exception):
    """What arrived is whole and still not the wanted file: it is thrown away, and *error* says why."""

    def __init__(self, error: HearthError) -> None:
        super().__init__(error.message)
        self.error = error


class Patience:
    """Count the failures in a row without progress, and say how long to wait after each.

    Args:
        retries: Failures without progress that are tried again.
    """

    def __init__(self, retries: int, base_s: float) -> None:
        self._retries = retries
        self._base_s = base_s
        self._failures = 0
        self._best_bytes = 0
        self._failed_at = 0.0

    def wait_s(self, setback: Setback, *, began_at: float, reached_bytes: int) -> float:
        """Return the seconds to wait.

        Requests that began before the last failure failed with it: eight connections that break together are one
        failure.

        Args:
            began_at: When the request was made; monotonic.
            reached_bytes: How far the file has come; only more than ever before counts as progress.
        Raises:
            HearthError: There were too many failures, or the host asks for too long a pause.
        """
        if setback.wait_s is not None and setback.wait_s > _PATIENCE_S:
            raise setback.error
        if reached_bytes - self._best_bytes >= _PROGRESS_BYTES:
            self._failures, self._best_bytes = 0, reached_bytes
        if began_at >= self._failed_at:
            self._failures += 1
            self._failed_at = monotonic_s()
        if self._failures > self._retries:
            raise setback.error
        if setback.relink and self._failures <= 1:
            return 0.0
        pause_s = delay_s(self._failures, base_s=self._base_s, cap_s=_CAP_S)
        return max(pause_s, setback.wait_s or 0.0)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a host asks us to wait (RFC 9110 section 10.2.3, and RateLimit's ``t``), or None."""
    value = headers.get("retry-after", "").strip()
    if value.replace(".", "", 1).isdigit():
        return float(value)
    if value:
        try:
            # Both dates are of the host's clock where it sends one: ours may be wrong, or jump.
            now = parsedate_to_datetime(headers["date"]) if "date" in headers else utc_now()
            return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
        except (TypeError, ValueError):
            return None
    # RateLimit: "resolvers";r=0;t=55 - Hugging Face says so and sends no Retry-After.
    for part in headers.get("ratelimit", "").split(";"):
        name, _, seconds = part.strip().partition("=")
        if name == "t" and seconds.isdigit():
            return float(seconds)
    return None
