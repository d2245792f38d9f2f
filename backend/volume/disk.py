"""The few ways in which the preparation changes a disk: each leaves the old state or the new one, and counts its bytes.

No fsync: what a power cut leaves half done, the next start does again, and on a network volume each would cost more than the
rest together.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

_IGNORED = {"lost+found", ".Trash-0", ".Trash-1000", ".DS_Store", ".snapshot", "@eaDir", ".hearth-probe"}


class Disk:
    """Make folders, links and small files where they are missing; ``written_bytes`` counts content."""

    def __init__(self) -> None:
        self.written_bytes = 0

    def folder(self, path: Path, mode: int = 0o777) -> bool:
        """Make *path* and its parents; true when it was missing.

        Raises:
            OSError: It cannot be made, or a link that leads nowhere is in its place.
        """
        if path.is_dir():
            return False
        self.folder(path.parent)
        try:
            os.mkdir(path, mode)  # noqa: PTH102 -- one door to the system calls, which tests interrupt
        except FileExistsError:
            if not path.is_dir():
                raise
        return True

    def link(self, path: Path, target: str) -> bool:
        """Make *path* a link to *target*, replacing a link or a file; true when it was another.

        Raises:
            OSError: It cannot be made; EPERM, EOPNOTSUPP or EINVAL where the file system has no links.
        """
        try:
            if os.readlink(path) == target:  # noqa: PTH115
                return False
        except OSError:
            pass
        beside = path.with_name(f".{path.name}.new")
        self.remove(beside)
        os.symlink(target, beside)  # noqa: PTH211
        os.replace(beside, path)  # noqa: PTH105
        return True

    def file(self, path: Path, text: str, mode: int = 0o644) -> bool:
        """Give *path* the content *text*; true when it had another.

        Raises:
            OSError: It cannot be written; the old content is there still.
        """
        content = text.encode()
        try:
            if path.read_bytes() == content:
                return False
        except OSError:
            pass
        beside = path.with_name(f".{path.name}.new")
        self.remove(beside)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            os.write(handle, content)
        finally:
            os.close(handle)
        os.replace(beside, path)  # noqa: PTH105
        self.written_bytes += len(content)
        return True

    def rename(self, path: Path, target: Path) -> None:
        """Move *path* within its file system; nothing may be at *target*."""
        os.rename(path, target)  # noqa: PTH104

    def remove(self, path: Path) -> bool:
        """Remove a file, a link or an empty folder; true when it is gone, false when it holds something."""
        try:
            os.unlink(path)  # noqa: PTH108
        except FileNotFoundError:
            return True
        except OSError:
            try:
                os.rmdir(path)  # noqa: PTH106
            except OSError:
                return False
        return True


def names_in(folder: Path) -> list[str]:
    """Return what *folder* holds, without what systems put there by themselves; empty when it cannot be read."""
    try:
        return sorted(name for name in os.listdir(folder) if name not in _IGNORED)  # noqa: PTH208
    except OSError:
        return []


def is_empty(folder: Path) -> bool:
    """Tell whether *folder* is a folder without content, or not there."""
    return not names_in(folder) and (folder.is_dir() or not os.path.lexists(folder))


def may_write(folder: Path) -> bool:
    """Tell whether this process may make files in *folder*, by its effective user."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def is_without_links(error: OSError) -> bool:
    """Tell whether *error* is how a file system says that it has no links of this kind."""
    return error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EMLINK)
