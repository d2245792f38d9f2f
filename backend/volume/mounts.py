"""Which file system a folder lies on, from ``/proc/self/mountinfo`` (proc(5)) and statvfs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from backend.volume.findings import Filesystem

_NETWORK = ("nfs", "cifs", "smb", "9p", "fuse", "ceph", "lustre", "gpfs", "gluster", "mfs", "virtiofs", "beegfs")
_ESCAPE = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line of mountinfo."""

    point: Path
    type: str
    source: str
    read_only: bool


def read_mounts(table: Path = Path("/proc/self/mountinfo")) -> tuple[Mount, ...]:
    """Return what is mounted, the newest last; empty where the system does not say."""
    try:
        lines = table.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ()
    return tuple(_mount(line) for line in lines if " - " in line)


def is_mount(path: Path, mounts: Sequence[Mount]) -> bool:
    """Tell whether something is mounted at *path* itself."""
    return any(mount.point == path for mount in mounts)


def is_persistent(path: Path, mounts: Sequence[Mount]) -> bool:
    """Tell whether *path* outlives the container: it lies on a mount other than its root and its memory."""
    mount = _mount_of(path, mounts)
    return mount is not None and mount.point != Path("/") and mount.type not in ("overlay", "tmpfs", "ramfs")


def filesystem_of(path: Path, mounts: Sequence[Mount]) -> Filesystem:
    """Describe what *path* lies on; zeros where that cannot be asked."""
    mount = _mount_of(path, mounts) or Mount(Path("/"), "unknown", "", read_only=False)
    try:
        stat = os.statvfs(path)
        free, total = stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize
    except OSError:
        free = total = 0
    return Filesystem(
        type=mount.type,
        source=mount.source,
        mounted=is_persistent(path, mounts),
        read_only=mount.read_only,
        network=mount.type.startswith(_NETWORK),
        free_bytes=free,
        total_bytes=total,
    )


def _mount_of(path: Path, mounts: Sequence[Mount]) -> Mount | None:
    place = Path(os.path.realpath(path))
    around = [mount for mount in reversed(mounts) if place.is_relative_to(mount.point)]  # the newest covers the others
    return max(around, key=lambda mount: len(mount.point.parts), default=None)


def _mount(line: str) -> Mount:
    left, _, right = line.partition(" - ")
    fields, rest = left.split(" "), right.split(" ")
    options = {*fields[5].split(","), *rest[2].split(",")} if len(rest) > 2 else set(fields[5].split(","))
    return Mount(Path(_plain(fields[4])), rest[0], _plain(rest[1]), "ro" in options)


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), text)
