"""The two clocks: wall time for people, monotonic time for durations. Nobody else asks the operating system."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the wall clock as an aware UTC time; only for display and storage, never for durations."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Return seconds that never jump, for durations, delays and deadlines."""
    return time.monotonic()
