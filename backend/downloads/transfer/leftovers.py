"""What unfinished transfers have left in folders, and since when."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.downloads.transfer.state import is_own_state, part_path, state_path

_STATE_SUFFIX = ".part.json"


@dataclass(frozen=True, slots=True)
class Leftover:
    """Unfinished bytes of a file; ``left_at`` is when anything was last written, in seconds since 1970."""

    destination: Path
    left_at: float


def leftover_of(destination: Path) -> Leftover | None:
    """Return what a transfer to *destination* has left, None when there is nothing; blocking."""
    times: list[float] = []
    for path in (part_path(destination), state_path(destination)):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return Leftover(destination, max(times)) if times else None


def leftovers_below(root: Path) -> Iterator[Leftover]:
    """Find what transfers of Hearth have left in a tree of folders, known by their states; blocking.

    Another program's ``.part`` is none of ours, and folders that cannot be read are passed over.
    """
    for folder, name in _files_below(root):
        if name.endswith(_STATE_SUFFIX):
            destination = folder / name.removesuffix(_STATE_SUFFIX)
            if is_own_state(destination) and (found := leftover_of(destination)) is not None:
                yield found


def _files_below(root: Path) -> Iterator[tuple[Path, str]]:
    """Walk a tree, also through links to folders (models often lie on another volume), each folder once."""
    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        try:
            status = Path(folder).stat()
        except OSError:
            status = None
        if status is None or (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        for name in files:
            yield Path(folder), name
