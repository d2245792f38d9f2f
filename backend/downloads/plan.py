"""The disk plan: does what is queued fit, volume by volume, before the first byte of it arrives?

``measure`` asks the disk (blocking), ``judge`` decides without touching it. Jobs are judged in the order of the queue;
one that does not fit takes nothing from those behind it. Files under way are counted, never refused: their space is
partly taken already, and a disk that fills up nevertheless is met by the transfer itself.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_STAT_BLOCK_BYTES = 512  # st_blocks counts these, whatever the file system's own block is (stat(2))


@dataclass(frozen=True, slots=True)
class Wish:
    """What one job still wants to write: each destination with the size of the whole file, None as long as unknown.

    A job that is partly under way has two wishes, one with the files under way and one with those that wait.
    """

    job_id: str
    files: tuple[tuple[Path, int | None], ...]
    under_way: bool


@dataclass(frozen=True, slots=True)
class Volumes:
    """What the disk says: the volume and missing bytes of each destination, the free bytes of each volume."""

    volume_of: Mapping[Path, int]
    missing_bytes: Mapping[Path, int]
    free_bytes: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why a job does not fit; all numbers in bytes, ``queued_bytes`` is what those before it will take."""

    need_bytes: int
    free_bytes: int
    reserve_bytes: int
    queued_bytes: int

    @property
    def short_bytes(self) -> int:
        """The bytes that would have to become free."""
        return self.need_bytes + self.queued_bytes + self.reserve_bytes - self.free_bytes


def measure(wishes: Iterable[Wish]) -> Volumes:
    """Look at every destination once; blocking (about two stats per file, one statvfs per volume)."""
    volume_of: dict[Path, int] = {}
    missing: dict[Path, int] = {}
    free: dict[int, int] = {}
    for path, size_bytes in (file for wish in wishes for file in wish.files):
        if path in missing:
            continue
        try:
            folder = _existing_folder(path)
            volume = folder.stat().st_dev
            if volume not in free:
                space = os.statvfs(folder)
                free[volume] = space.f_bavail * space.f_frsize
        except OSError:
            continue  # a volume that does not answer: the transfer will name the trouble
        volume_of[path] = volume
        missing[path] = _missing_bytes(path, size_bytes)
    return Volumes(volume_of, missing, free)


def judge(wishes: Sequence[Wish], volumes: Volumes, reserve_bytes: int) -> dict[str, Shortage]:
    """Return the jobs that do not fit, with the numbers of the first volume that is too small.

    Args:
        wishes: In the order of the queue. A destination that several jobs want counts once, for the first of them.
        reserve_bytes: Space that must stay free on every volume.
    """
    taken: defaultdict[int, int] = defaultdict(int)
    planned: set[Path] = set()
    refused: dict[str, Shortage] = {}
    # What is under way was admitted before: it comes first, wherever in the queue its job has been moved since.
    for wish in sorted(wishes, key=lambda wish: not wish.under_way):
        needs: defaultdict[int, int] = defaultdict(int)
        new = {path for path, _ in wish.files if path not in planned and path in volumes.volume_of}
        for path in new:
            needs[volumes.volume_of[path]] += volumes.missing_bytes[path]
        shortage = None if wish.under_way else _shortage(needs, taken, volumes, reserve_bytes)
        if shortage is not None:
            refused[wish.job_id] = shortage
            continue
        planned |= new
        for volume, need in needs.items():
            taken[volume] += need
    return refused


def _shortage(
    needs: Mapping[int, int], taken: Mapping[int, int], volumes: Volumes, reserve_bytes: int
) -> Shortage | None:
    for volume, need in needs.items():
        queued = taken.get(volume, 0)
        free = volumes.free_bytes[volume]
        if need and need + queued > free - reserve_bytes:
            return Shortage(need, free, reserve_bytes, queued)
    return None


def _missing_bytes(path: Path, size_bytes: int | None) -> int:
    """Count what is not on the disk yet; a preallocated ``.part`` has taken its space already."""
    if size_bytes is None:
        return 0
    try:
        partial = path.with_name(f"{path.name}.part").stat()
        return max(0, size_bytes - partial.st_blocks * _STAT_BLOCK_BYTES)
    except OSError:
        pass
    try:
        return 0 if path.stat().st_size == size_bytes else size_bytes
    except OSError:
        return size_bytes


def _existing_folder(path: Path) -> Path:
    """Return the nearest folder above *path* that exists: it lies on the volume that will take the file."""
    return next(folder for folder in path.parents if folder.is_dir())
