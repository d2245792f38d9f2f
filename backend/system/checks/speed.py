"""How fast the volume is, measured with real files: many small ones, and one large one.

At most two seconds in all, some 64 MiB written and removed again. It is never measured without being asked for.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backend.kit.clock import monotonic_s, utc_now
from backend.kit.units import format_bytes
from backend.system.checks.finding import Check, CheckState

_MIB = 1024**2
_SMALL_BYTES = 4096
_SMALL_S, _WRITE_S, _READ_S = 0.5, 0.6, 0.4
_SMALL_MOST, _CHUNK_BYTES, _LARGE_BYTES = 2000, 4 * _MIB, 64 * _MIB
_RESERVE_BYTES = 256 * _MIB
_VENV_FILES = 40_000  # of a virtual environment with PyTorch
_SLOW_FILES_S, _SLOW_BYTES_S = 500.0, 100 * _MIB
_CHECKPOINT_BYTES = 10 * 1024**3


@dataclass(frozen=True, slots=True)
class VolumeSpeed:
    """What was measured; None for what could not be.

    ``files_s`` is how many files of 4 KiB are made, opened, read and removed in a second; the large file is written
    durably (fdatasync), and read again after the page cache was asked to forget it.
    """

    at: datetime
    files_s: float | None
    write_bytes_s: float | None
    read_bytes_s: float | None
    reason: str = ""


def measure_volume(folder: Path) -> VolumeSpeed:
    """Measure the volume of *folder*; blocking for at most two seconds, unless the volume hangs.

    What was written is removed. A volume that cannot be written, or is almost full, is not measured.
    """
    try:
        if shutil.disk_usage(folder).free < _RESERVE_BYTES:
            return VolumeSpeed(utc_now(), None, None, None, "there is too little space for a measurement")
        with _scratch(folder) as scratch:
            files_s = _small_files(scratch)
            write_bytes_s, read_bytes_s = _large_file(scratch / "large")
    except OSError as error:
        return VolumeSpeed(utc_now(), None, None, None, error.strerror or str(error))
    return VolumeSpeed(utc_now(), files_s, write_bytes_s, read_bytes_s)


def speed_checks(speed: VolumeSpeed) -> list[Check]:
    """Say what the measured numbers mean."""
    if speed.files_s is None or speed.write_bytes_s is None or speed.read_bytes_s is None:
        return [Check("volume_speed", CheckState.WARNING, f"The volume could not be measured: {speed.reason}.")]
    return [_judged_small(speed.files_s), _judged_large(speed.write_bytes_s, speed.read_bytes_s)]


def _judged_small(files_s: float) -> Check:
    copy_s = _VENV_FILES / files_s
    told = f"The volume handles {files_s:,.0f} small files a second"
    if files_s >= _SLOW_FILES_S:
        return Check("small_files", CheckState.OK, f"{told}.")
    message = f"{told}: copying an environment of {_VENV_FILES:,} files would take {copy_s / 60:.0f} minutes."
    hint = "Leave USE_NEW_VOLUME_STRATEGY=true, which copies nothing, and keep node packs with many files few."
    return Check("small_files", CheckState.WARNING, message, hint)


def _judged_large(write_bytes_s: float, read_bytes_s: float) -> Check:
    told = f"Large files are written at {format_bytes(write_bytes_s)}/s and read at {format_bytes(read_bytes_s)}/s"
    if read_bytes_s >= _SLOW_BYTES_S:
        return Check("large_files", CheckState.OK, f"{told}.")
    load_s = _CHECKPOINT_BYTES / read_bytes_s
    message = f"{told}: a model of 10 GiB takes {load_s:.0f} seconds to load."
    hint = "Keep the models that you use on a faster disk and name it in EXTRA_MODEL_PATHS."
    return Check("large_files", CheckState.WARNING, message, hint)


@contextmanager
def _scratch(folder: Path) -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix=".hearth-measure-", dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _small_files(scratch: Path) -> float:
    content = os.urandom(_SMALL_BYTES)
    began_s, count = monotonic_s(), 0
    while count < _SMALL_MOST and monotonic_s() - began_s < _SMALL_S:
        path = scratch / f"small-{count}"
        path.write_bytes(content)
        path.read_bytes()
        path.unlink()
        count += 1
    return count / max(monotonic_s() - began_s, 1e-6)


def _large_file(path: Path) -> tuple[float, float]:
    chunk, written = os.urandom(_CHUNK_BYTES), 0
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        began_s = monotonic_s()
        while written < _LARGE_BYTES and monotonic_s() - began_s < _WRITE_S:
            written += os.write(handle, chunk)
            os.fdatasync(handle)  # chunk by chunk, so that the end comes in time
        write_bytes_s = written / max(monotonic_s() - began_s, 1e-6)
        with suppress(OSError, AttributeError):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.lseek(handle, 0, os.SEEK_SET)
        began_s, read = monotonic_s(), 0
        while read < written and monotonic_s() - began_s < _READ_S:
            read += len(os.read(handle, _CHUNK_BYTES))
        return write_bytes_s, read / max(monotonic_s() - began_s, 1e-6)
    finally:
        os.close(handle)
