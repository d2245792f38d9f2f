"""Measure the machine, or the share of it that the container has: processor, memory, disks, graphics cards.

What cannot be measured is None and a ``reason`` says why; nothing is ever estimated.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from backend.errors import JSON
from backend.kit.clock import monotonic_s, utc_now
from backend.system.cgroup import Cgroup
from backend.system.gpus import Gpu, GpuReader

_SHORTEST_S = 0.2  # below it the kernel's 10 ms ticks make a percentage meaningless
_FIRST = "A load is measured between two samples; the next one has it."


@dataclass(frozen=True, slots=True)
class Cpu:
    """Load from 0 to 100 over all ``cores``; ``scope`` is ``container`` where that has a limit, else ``machine``."""

    percent: float | None
    cores: float
    scope: str
    load_1m: float | None
    load_5m: float | None
    load_15m: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the container where it has a limit, else of the machine; caches that can be dropped count as available."""

    total_bytes: int
    used_bytes: int
    available_bytes: int
    scope: str


@dataclass(frozen=True, slots=True)
class Disk:
    """One volume and the folders of Hearth that lie on it; ``free_bytes`` is what Hearth may still write."""

    mount: str
    paths: tuple[str, ...]
    total_bytes: int | None
    used_bytes: int | None
    free_bytes: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Process:
    """Hearth itself."""

    memory_bytes: int
    uptime_s: int


@dataclass(frozen=True, slots=True)
class HostSample:
    """One look at the machine."""

    at: str
    uptime_s: int
    cpu: Cpu
    memory: Memory
    disks: tuple[Disk, ...]
    gpus: tuple[Gpu, ...]
    gpu_reason: str | None
    process: Process

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values."""
        return cast("dict[str, JSON]", asdict(self))


class HostProbe:
    """Measure again and again; keeps what a load must be compared with; safe to use from several threads."""

    def __init__(self, cgroup: Cgroup | None = None, gpus: GpuReader | None = None) -> None:
        self._cgroup = cgroup or Cgroup()
        self._gpus = gpus or GpuReader()
        self._load = _Load()

    def sample(self, roots: Sequence[Path]) -> HostSample:
        """Look once; blocking.

        Args:
            roots: Folders whose volumes are of interest.
        """
        import psutil

        now, process = utc_now(), psutil.Process()
        gpus = self._gpus.read()
        return HostSample(
            at=now.isoformat(),
            uptime_s=_since(psutil.boot_time(), now),
            cpu=self._cpu(),
            memory=self._memory(),
            disks=disks_of(roots),
            gpus=gpus.gpus,
            gpu_reason=gpus.reason,
            process=Process(process.memory_info().rss, _since(process.create_time(), now)),
        )

    def _cpu(self) -> Cpu:
        import psutil

        share, cores = self._cgroup.cpu(), float(len(os.sched_getaffinity(0)))
        limited = share is not None and share.cores < cores
        if share is not None and limited:
            busy_s, cores, all_cores = share.used_s, share.cores, share.cores
        else:
            busy_s, all_cores = _machine_busy_s(), float(psutil.cpu_count() or 1)
        percent = self._load.percent(busy_s, all_cores)
        try:
            load: tuple[float | None, ...] = tuple(round(value, 2) for value in os.getloadavg())
        except OSError:
            load = (None, None, None)
        scope = "container" if limited else "machine"
        return Cpu(percent, cores, scope, *load, reason=_FIRST if percent is None else None)

    def _memory(self) -> Memory:
        import psutil

        machine, share = psutil.virtual_memory(), self._cgroup.memory()
        if share is None or share.limit_bytes >= machine.total:
            return Memory(machine.total, machine.total - machine.available, machine.available, "machine")
        available = min(share.limit_bytes - share.used_bytes, machine.available)
        return Memory(share.limit_bytes, share.used_bytes, max(0, available), "container")


class _Load:
    """Turn a growing sum of processor seconds into a percentage."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: tuple[float, float] | None = None
        self._percent: float | None = None

    def percent(self, busy_s: float, cores: float) -> float | None:
        """Return the load since the call before, or that call's answer when it was a moment ago."""
        with self._lock:
            now_s = monotonic_s()
            if self._before is None:
                self._before = (now_s, busy_s)
            elif (passed_s := now_s - self._before[0]) >= _SHORTEST_S:
                share = (busy_s - self._before[1]) / (passed_s * cores)
                self._percent = round(min(100.0, max(0.0, share * 100)), 1)
                self._before = (now_s, busy_s)
            return self._percent


def sample_host(roots: Sequence[Path]) -> HostSample:
    """Measure this machine once; blocking, so call it in a thread.

    Args:
        roots: Folders whose volumes are of interest.
    """
    return _probe.sample(roots)


def disks_of(paths: Sequence[Path]) -> tuple[Disk, ...]:
    """Return each volume once, with those of *paths* that lie on it; blocking."""
    by_device: dict[int, list[Path]] = {}
    missing: list[Disk] = []
    for path in dict.fromkeys(paths):
        try:
            by_device.setdefault(path.stat().st_dev, []).append(path)
        except OSError as error:
            reason = f"{path} cannot be looked at: {error.strerror or error}."
            missing.append(Disk(str(path), (str(path),), None, None, None, reason))
    return (*map(_disk, by_device.values()), *missing)


def _disk(paths: list[Path]) -> Disk:
    mount, names = str(_mount_of(paths[0])), tuple(map(str, paths))
    try:
        usage = shutil.disk_usage(paths[0])
    except OSError as error:
        return Disk(mount, names, None, None, None, f"{mount} cannot be measured: {error.strerror or error}.")
    return Disk(mount, names, usage.total, usage.used, usage.free, None)


def _mount_of(path: Path) -> Path:
    place = path.resolve()
    while not place.is_mount() and place != place.parent:
        place = place.parent
    return place


def _machine_busy_s() -> float:
    """Return the seconds that all processors have worked; a guest's time is part of the user's (proc_stat(5))."""
    import psutil

    times = psutil.cpu_times()
    return sum((times.user, times.nice, times.system, times.irq, times.softirq, times.steal))


def _since(moment_s: float, now: datetime) -> int:
    return max(0, int(now.timestamp() - moment_s))


_probe = HostProbe()
