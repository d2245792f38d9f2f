"""The copy strategy (``USE_NEW_VOLUME_STRATEGY=false``): ComfyUI's code and environment on the volume, to be edited there.

A plain copy, file by file, under a temporary name first: an interrupted one goes on where it was, and a file that is there
already is never overwritten, so edits stay. Once it is complete nothing is copied again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from backend.volume.places import Places

_BLOCK = 1024 * 1024
_NOT_COPIED = {".git", "custom_nodes", "input", "models", "output", "temp", "user"}


class Copying(NamedTuple):
    """How far a copy is; counts what was there already as done."""

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int


def is_complete(places: Places) -> bool:
    """Tell whether everything was copied once, by whatever image."""
    return copied_version(places) is not None


def copied_version(places: Places) -> str | None:
    """Return the version of the image that the copy was made from, or None without a complete copy."""
    try:
        document = json.loads(places.copy_mark.read_text("utf-8"))
        return str(document["image"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def copy(places: Places, *, version: str, report: Callable[[Copying], None]) -> None:
    """Copy what is missing; blocking, minutes on a slow volume; interrupted, the next call goes on.

    Args:
        report: Called after each file.
    Raises:
        OSError: The volume is full or cannot be written; what was copied stays.
    """
    plan = list(_plan(places))
    done = Copying(0, len(plan), 0, sum(size for _, _, size in plan))
    report(done)
    for source, target, size in plan:
        if not _is_there(target, size):
            _copy(source, target)
        done = done._replace(files_done=done.files_done + 1, bytes_done=done.bytes_done + size)
        report(done)
    for image_paths in places.venv.glob("lib/python*/site-packages/_image.pth"):
        image_paths.unlink()  # from now on it is a full environment
    mark = places.copy_mark.with_name(f"{places.copy_mark.name}.new")
    mark.write_text(json.dumps({"image": version}), "utf-8")
    mark.replace(places.copy_mark)


def _plan(places: Places) -> Iterator[tuple[Path, Path, int]]:
    yield from _files(places.comfyui, places.base, _NOT_COPIED)
    yield from _files(places.opt / "venv", places.venv, set())


def _files(source: Path, target: Path, left_out: set[str]) -> Iterator[tuple[Path, Path, int]]:
    """Yield each file and link below *source*; *left_out* counts at the top only."""
    for folder, names, files in os.walk(source):
        here = Path(folder)
        if here == source:
            names[:] = [name for name in names if name not in left_out]
        linked = [name for name in names if (here / name).is_symlink()]
        for name in (*files, *linked):
            path = here / name
            yield path, target / path.relative_to(source), path.lstat().st_size


def _is_there(target: Path, size: int) -> bool:
    """Tell whether *target* exists: under its own name a file is always complete, whatever was edited since."""
    return os.path.lexists(target) and (size == 0 or target.is_symlink() or target.stat().st_size > 0)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.hearth-copy")
    beside.unlink(missing_ok=True)
    if source.is_symlink():
        beside.symlink_to(source.readlink())
    else:
        with source.open("rb") as reading, beside.open("wb") as writing:
            while block := reading.read(_BLOCK):
                writing.write(block)
        stat = source.stat()
        beside.chmod(stat.st_mode & 0o777)
        os.utime(beside, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    beside.replace(target)
