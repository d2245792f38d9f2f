"""Remember how often a service was started, how it ended, and when it is started again: ``attempts/<service>.json``.

A service that ends right after its start is started again after a pause that doubles up to half a minute and never gives up;
one that had been running for a minute is started at once.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import NamedTuple

STABLE_S = 60.0
LONGEST_PAUSE_S = 30.0
_ORDERED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_SHORT_S = 10.0  # a program that says nothing but its usage ends with 0 too


class Attempt(NamedTuple):
    """What is known about one service.

    Args:
        failures: Ends in a row that nobody asked for.
        reason: Of the last end: ``ordered``, ``reboot`` or ``crash``; empty before the first.
        pause_s: How long s6 waits now, or waited last.
        next_start_ms: When that pause ends; None while it runs.
    """

    service: str
    starts: int = 0
    failures: int = 0
    pid: int = 0
    started_ms: float = 0
    ended_ms: float | None = None
    exit_code: int | None = None
    exit_signal: str | None = None
    reason: str = ""
    pause_s: float = 0
    next_start_ms: float | None = None


def read(folder: Path, service: str) -> Attempt:
    """Return what is known, or a fresh record; a damaged file counts as none."""
    try:
        document = json.loads((folder / f"{service}.json").read_text("utf-8"))
        return Attempt(**document)
    except (OSError, ValueError, TypeError):
        return Attempt(service)


def write(folder: Path, attempt: Attempt) -> None:
    """Replace the record; a folder that cannot be written costs the record, never the service."""
    path = folder / f"{attempt.service}.json"
    beside = folder / f".{attempt.service}.{os.getpid()}"
    try:
        beside.write_text(json.dumps(attempt._asdict()), "utf-8")
        beside.replace(path)
    except OSError:
        return


def started(before: Attempt, *, pid: int, now_ms: float) -> Attempt:
    """Return the record of a start."""
    return before._replace(starts=before.starts + 1, pid=pid, started_ms=now_ms, ended_ms=None, next_start_ms=None)


def ended(before: Attempt, *, code: int, number: int, reboot: bool, now_ms: float) -> Attempt:
    """Return the record of an end.

    Args:
        code: Exit code; 256 when a signal ended it, as s6 tells its finish scripts.
        reboot: It ended itself in order to be started again.
    """
    lived_s = (now_ms - before.started_ms) / 1000
    by_signal = code > 255
    if reboot:
        reason = "reboot"
    elif (by_signal and number in _ORDERED) or code - 128 in _ORDERED or (code == 0 and lived_s >= _SHORT_S):
        reason = "ordered"
    else:
        reason = "crash"
    failures = 0 if reason != "crash" else 1 if lived_s >= STABLE_S else before.failures + 1
    pause_s = pause_after(failures)
    return before._replace(
        failures=failures,
        ended_ms=now_ms,
        exit_code=None if by_signal else code,
        exit_signal=signal.Signals(number).name if by_signal and number in set(signal.Signals) else None,
        reason=reason,
        pause_s=pause_s,
        next_start_ms=now_ms + pause_s * 1000,
    )


def pause_after(failures: int) -> float:
    """Return the pause in seconds after so many failures in a row: 0, 1, 2, 4 … 30."""
    return 0.0 if failures < 2 else min(2.0 ** min(failures - 2, 10), LONGEST_PAUSE_S)
