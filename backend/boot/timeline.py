"""How long each phase of the start took: ``timeline.jsonl``, one phase per line, in milliseconds since 1970.

The first line is the phase ``container``, from the birth of PID 1 to the end of the preparation; it also carries the clock that
never jumps (``boottime_ms``) at the same instant. Several processes append; a line is one write, so lines never mix.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path


def now_ms() -> float:
    """Return the wall clock."""
    return time.clock_gettime(time.CLOCK_REALTIME) * 1000


def boottime_ms() -> float:
    """Return the clock that neither jumps nor stands still while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) * 1000


def born_ms() -> float:
    """Return when this process was born, shell and all that it replaced included (proc(5): starttime, in ticks)."""
    stat = Path("/proc/self/stat").read_text("ascii", "replace")
    ticks = int(stat.rpartition(")")[2].split()[19])
    return now_ms() - max(0.0, boottime_ms() - ticks * 1000 / os.sysconf("SC_CLK_TCK"))


def append(
    path: Path, phase: str, started_ms: float, ended_ms: float, detail: Mapping[str, object] | None = None
) -> None:
    """Add a phase; an instant that cannot be written is not worth a failure."""
    line = {
        "phase": phase,
        "started_ms": round(started_ms, 1),
        "ended_ms": round(ended_ms, 1),
        "detail": dict(detail or {}),
    }
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return
    try:
        os.write(handle, f"{json.dumps(line)}\n".encode())
    except OSError:
        pass
    finally:
        os.close(handle)
