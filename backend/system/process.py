"""When this process began, and what a process and its children hold in memory."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from backend.kit.clock import utc_now

_STAT = Path("/proc/self/stat")


@cache
def started_at() -> datetime:
    """Return when the kernel made this process, to 10 ms; where it does not tell, the time of the first call.

    Blocking once for a read of /proc (proc_pid_stat(5), field 22: ticks after boot).
    """
    try:
        after_name = _STAT.read_text(encoding="ascii", errors="replace").rpartition(")")[2]
        ticks = int(after_name.split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        age_s = 0.0
    return utc_now() - timedelta(seconds=max(0.0, age_s))


def memory_of(pid: int) -> int | None:
    """Return the resident bytes of a process and everything it started; None when it is gone; blocking.

    Of this process they are its own alone: what it started is a service by itself.
    """
    import psutil  # loaded when somebody looks, not with the program

    try:
        parent = psutil.Process(pid)
        total = parent.memory_info().rss
        children = [] if pid == os.getpid() else parent.children(recursive=True)
    except (psutil.Error, OSError):
        return None
    for child in children:
        try:
            total += child.memory_info().rss
        except (psutil.Error, OSError):
            continue  # it ended while we counted
    return total
