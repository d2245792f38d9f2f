"""What the container may use, read from the control groups that hold this process.

Both versions of the interface are read (Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/{memory,cpuacct}.rst);
the tightest limit on the way from the process up to the root counts, because the kernel applies all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class MemoryShare:
    """Bytes allowed and in use; memory that only caches files and can be dropped at once does not count as used."""

    limit_bytes: int
    used_bytes: int


@dataclass(frozen=True, slots=True)
class CpuShare:
    """Processors allowed, as a number that need not be whole, and the seconds of work done so far."""

    cores: float
    used_s: float


class Cgroup:
    """Read the control groups of this process; every method blocks for a few small reads."""

    def __init__(self, root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> None:
        self._root = root
        self._is_v2 = (root / "cgroup.controllers").is_file()
        self._places = _memberships(membership)

    def memory(self) -> MemoryShare | None:
        """Return the memory of the container, or None when it has no limit of its own."""
        limit_name, used_name, cache_name = (
            ("memory.max", "memory.current", "inactive_file")
            if self._is_v2
            else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        )
        shares: list[MemoryShare] = []
        for folder in self._folders("memory"):
            limit, used = _number(folder / limit_name), _number(folder / used_name)
            if limit is not None and used is not None:
                cache = _numbers(folder / "memory.stat").get(cache_name, 0)
                shares.append(MemoryShare(limit, max(0, used - cache)))
        return min(shares, key=lambda share: share.limit_bytes, default=None)

    def cpu(self) -> CpuShare | None:
        """Return the processors of the container, or None when it has no limit of its own."""
        shares = [share for share in map(self._cpu_of, self._folders("cpu")) if share is not None]
        return min(shares, key=lambda share: share.cores, default=None)

    def _cpu_of(self, folder: Path) -> CpuShare | None:
        if self._is_v2:
            quota, _, period = (_text(folder / "cpu.max") or "max").partition(" ")
            used = _numbers(folder / "cpu.stat").get("usage_usec")
            return None if quota == "max" or used is None else CpuShare(int(quota) / int(period), used / 1e6)
        quota_us, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        place = folder.relative_to(self._root / "cpu")
        used_ns = _number(self._root / "cpuacct" / place / "cpuacct.usage")
        if quota_us is None or quota_us <= 0 or not period_us or used_ns is None:
            return None
        return CpuShare(quota_us / period_us, used_ns / 1e9)

    def _folders(self, controller: str) -> Iterator[Path]:
        """Go from the group of this process up to the root; inside a container only the root may be visible."""
        top = self._root if self._is_v2 else self._root / controller
        place = top.joinpath(*self._places.get("" if self._is_v2 else controller, ()))
        while place != top:
            yield place
            place = place.parent
        yield top


def _memberships(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the path of this process per controller, that of version 2 under the empty name."""
    places: dict[str, tuple[str, ...]] = {}
    for line in (_text(path) or "").splitlines():
        _, controllers, place = line.split(":", 2)
        parts = tuple(part for part in place.split("/") if part not in ("", ".."))
        places.update(dict.fromkeys(controllers.split(","), parts))
    return places


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _text(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None  # "max": no limit


def _numbers(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in (_text(path) or "").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
