"""Numbers and times as people read them.

``frontend/static/js/numbers.js`` follows the same rules for the numbers that arrive by WebSocket; a test holds the two
together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from backend.kit.clock import utc_now
from backend.kit.units import format_bytes

_NBSP = "\u00a0"
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
_COARSE_S = 600  # above ten minutes seconds say nothing


def size(size_bytes: float) -> str:
    """Write bytes: 13.3 GiB, 412 GiB, 242 MiB."""
    return format_bytes(size_bytes)


def exact(size_bytes: float) -> str:
    """Write every byte, and the decimal figure that Hugging Face shows."""
    return f"{int(size_bytes):,} bytes ({size_bytes / 1e9:.2f} GB)"


def speed(bytes_s: float) -> str:
    """Write bytes per second: 51.2 MiB/s, 640 KiB/s."""
    if bytes_s >= 1024**2:
        return f"{bytes_s / 1024**2:.1f}{_NBSP}MiB/s"
    return f"{bytes_s / 1024:.0f}{_NBSP}KiB/s"


def duration(seconds: float) -> str:
    """Write a time span, rounded up, in two units at most: 48 s, 4 min 10 s, 14 min, 1 h 12 min, 1 d 4 h."""
    s = math.ceil(seconds)
    if s < _MINUTE_S:
        parts = [(s, "s")]
    elif s < _COARSE_S:
        parts = [(s // _MINUTE_S, "min"), (s % _MINUTE_S, "s")]
    elif s < _HOUR_S:
        parts = [(math.ceil(s / _MINUTE_S), "min")]
    elif s < _DAY_S:
        parts = [(s // _HOUR_S, "h"), (s % _HOUR_S // _MINUTE_S, "min")]
    else:
        parts = [(s // _DAY_S, "d"), (s % _DAY_S // _HOUR_S, "h")]
    return " ".join(f"{value}{_NBSP}{unit}" for index, (value, unit) in enumerate(parts) if value or index == 0)


def percent(ratio: float, state: str = "") -> int:
    """Return whole per cent, rounded down; 100 only when everything is there and checked."""
    return 100 if state == "completed" else min(99, math.floor(ratio * 100))


def breakable(name: str) -> Markup:
    """Let a file name wrap after ``_ - . /`` and nowhere else."""
    return Markup(re.sub(r"([_./-])(?=\w)", r"\1<wbr>", str(escape(name))))  # noqa: S704 -- escaped before


def moment(iso: str) -> str:
    """Write an ISO 8601 time in UTC, for browsers whose script does not put it into local time."""
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")


def clock(at: datetime) -> str:
    """Write the time of a log line in UTC, for browsers whose script does not put it into local time."""
    return at.astimezone(UTC).strftime("%H:%M:%S")


def ago(at: datetime) -> float:
    """Return the seconds since a moment."""
    return max(0.0, (utc_now() - at).total_seconds())


def millis(ms: int) -> str:
    """Write a span of a start: 38 ms, 940 ms, 4.63 s, 1 min 12 s."""
    if ms < 1000:
        return f"{ms}{_NBSP}ms"
    return f"{ms / 1000:.2f}{_NBSP}s" if ms < _MINUTE_S * 1000 else duration(ms / 1000)


def lasted(begin: str, end: str) -> str:
    """Write the time between two ISO 8601 times; tenths of a second below ten seconds."""
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
    return f"{seconds:.1f}{_NBSP}s" if seconds < 10 else duration(seconds)  # then tenths say nothing


def host(url: str) -> str:
    """Return the host of an address, as a source is named."""
    return urlsplit(url).hostname or url


FILTERS: Mapping[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (size, exact, speed, duration, percent, breakable, moment, lasted, host, clock, ago, millis)
}
