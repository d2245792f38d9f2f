"""What kind of file system the workspace lies on, and what that means for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.system.checks.finding import Check, CheckState
from backend.system.checks.installation import Installation
from backend.system.startup import volume_report

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "ceph",
    "lustre",
    "glusterfs",
    "gpfs",
    "beegfs",
    "afs",
    "virtiofs",
    "mfs",
    "fuse",
)
_LOCAL_FUSE = ("fuse.fuse-overlayfs", "fuseblk", "fuse.fuseblk", "fusectl")


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a folder lies."""

    point: str
    kind: str
    source: str

    @property
    def is_network(self) -> bool:
        """Whether each look at a file is a journey."""
        return self.kind.startswith(_NETWORK) and self.kind not in _LOCAL_FUSE


def mount_of(path: Path, mounts: Path = _MOUNTS) -> Mount | None:
    """Return the mount that *path* lies on (proc_pid_mountinfo(5)); None where the kernel does not tell; blocking."""
    try:
        resolved = str(path.resolve())
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    best: Mount | None = None
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) < 5 or len(rest) < 2:
            continue
        point = fields[4].replace("\\040", " ")
        inside = resolved == point or resolved.startswith(point.rstrip("/") + "/")
        if inside and (best is None or len(point) >= len(best.point)):  # of two on one point the later lies on top
            best = Mount(point, rest[0], rest[1])
    return best


def _file_system(installation: Installation) -> list[Check]:
    mount = mount_of(installation.workspace)
    if mount is None:
        return []
    told = f"The workspace lies on {mount.kind}, mounted at {mount.point}"
    if (
        installation.run_dir is not None
        and mount.kind in ("overlay", "aufs")
        and not volume_report(installation.run_dir)
    ):
        hint = "Mount a volume: everything here is lost when the container is removed."
        message = "The workspace lies in the container itself, not on a volume."
        return [Check("file_system", CheckState.WARNING, message, hint, "docker run -v hearth:/workspace …")]
    if mount.kind in ("tmpfs", "ramfs"):
        hint = "Mount a volume on a disk: everything here is lost when the machine stops, and takes memory."
        return [Check("file_system", CheckState.WARNING, f"{told}: it lives in memory.", hint)]
    if mount.kind in ("vfat", "exfat", "msdos"):
        hint = "Move the workspace to ext4, xfs or btrfs; models may stay here, named by EXTRA_MODEL_PATHS."
        return [Check("file_system", CheckState.WARNING, f"{told}: it knows neither links nor owners.", hint)]
    if mount.is_network:
        return [Check("file_system", CheckState.OK, f"{told}, over a network: every small file costs a journey.")]
    return [Check("file_system", CheckState.OK, f"{told}.")]


CHECKS: Sequence[Callable[[Installation], list[Check]]] = (_file_system,)
