"""Clock, memory and shared memory of the machine or container."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from backend.kit.clock import utc_now
from backend.kit.units import format_bytes
from backend.system.cgroup import Cgroup
from backend.system.checks.finding import Check, CheckState
from backend.system.checks.installation import Installation

_GIB = 1024**3
_LITTLE_MEMORY = 8 * _GIB  # ComfyUI itself takes half a GiB; the text encoder of a current image model takes 4 to 9
_SMALL_SHM = 64 * 1024**2  # docker's default
_SKEW_S = 5.0
_OLDEST = datetime(2026, 1, 1, tzinfo=UTC)  # this program did not exist before
_SHM = Path("/dev/shm")  # noqa: S108 -- it is looked at, not written


def _clock(installation: Installation) -> list[Check]:
    now = utc_now()
    if now < _OLDEST:
        hint = "Set the clock of the host (timedatectl set-ntp true): sign-ins and TLS certificates depend on it."
        return [
            Check("clock", CheckState.PROBLEM, f"The clock says {now:%Y-%m-%d %H:%M} UTC, which is long ago.", hint)
        ]
    try:
        with tempfile.TemporaryFile(dir=installation.config_dir) as file:
            skew_s = os.fstat(file.fileno()).st_mtime - utc_now().timestamp()
    except OSError:
        return []  # the workspace cannot be written, which another check tells
    if abs(skew_s) > _SKEW_S:
        direction = "ahead" if skew_s > 0 else "behind"
        message = f"The clock of the volume is {abs(skew_s):.0f} seconds {direction} of this machine's."
        hint = "Let the machine and the server of the volume follow one time server; ComfyUI finds new files by their times."
        return [Check("clock", CheckState.WARNING, message, hint)]
    return [Check("clock", CheckState.OK, f"The clock says {now:%Y-%m-%d %H:%M} UTC, and the volume agrees.")]


def _memory(_: Installation) -> list[Check]:
    share = Cgroup().memory()
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if share is None or share.limit_bytes >= total:
        if total < _LITTLE_MEMORY:
            hint = "Expect only small models to load; larger ones end with ComfyUI being killed."
            return [Check("memory", CheckState.WARNING, f"The machine has {format_bytes(total)} of memory.", hint)]
        return [Check("memory", CheckState.OK, f"The machine has {format_bytes(total)} of memory, without a limit.")]
    told = f"The container may use {format_bytes(share.limit_bytes)} of the machine's {format_bytes(total)} of memory"
    if share.limit_bytes < _LITTLE_MEMORY:
        hint = "Raise the limit: a model that does not fit ends with ComfyUI being killed (code 137)."
        wanted = max(1, min(16, int(total / _GIB)))
        return [Check("memory", CheckState.WARNING, f"{told}.", hint, f"docker run --memory {wanted}g …")]
    return [Check("memory", CheckState.OK, f"{told}, and uses {format_bytes(share.used_bytes)} now.")]


def _shared_memory(installation: Installation) -> list[Check]:
    try:
        size = shutil.disk_usage(_SHM).total
    except OSError:
        return []
    told = f"Shared memory has {format_bytes(size)}"
    if installation.run_dir is not None and size <= _SMALL_SHM:
        hint = "Training and video nodes that load with several workers need more; others do not."
        return [
            Check("shared_memory", CheckState.OK, f"{told}, the default of docker.", hint, "docker run --shm-size 1g …")
        ]
    return [Check("shared_memory", CheckState.OK, f"{told}.")]


CHECKS: Sequence[Callable[[Installation], list[Check]]] = (_clock, _memory, _shared_memory)
