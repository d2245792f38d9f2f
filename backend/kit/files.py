"""What is known for certain about one file on disk, and how a later look recognises that it is still the same file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Recognise a file without reading it: a changed size, time or inode means a changed file."""

    size_bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileIdentity:
        """Look at *path* now; blocking.

        Raises:
            FileNotFoundError: There is no such file.
        """
        return cls.from_stat(path.stat())

    @classmethod
    def from_stat(cls, stat: os.stat_result) -> FileIdentity:
        """Build the identity from a stat that was already made."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino)


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """Record what was found when a file was last read whole.

    ``verified`` is true when ``sha256`` was promised by somebody (preset or hub) and matched; false when the hash is only
    what we computed ourselves. ``source_url`` carries no secret.
    """

    path: Path
    size_bytes: int
    mtime_ns: int
    inode: int
    sha256: str
    verified: bool
    source_url: str | None = None

    @property
    def identity(self) -> FileIdentity:
        """The identity of the file at the time of the reading."""
        return FileIdentity(self.size_bytes, self.mtime_ns, self.inode)
