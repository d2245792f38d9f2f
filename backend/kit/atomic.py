"""Write a file so that a crash at any instant leaves the old content or the new one, never a mixture.

Temporary name in the same directory, fsync, rename, fsync of the directory (POSIX rename(2) is atomic within a file
system; the directory's fsync makes the new name itself durable).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomic(path: Path, data: bytes | str, mode: int = 0o644, *, sync_directory: bool = True) -> None:
    """Replace *path* with *data*, durably; blocking, so call it off the event loop.

    Args:
        mode: Permission bits of the file from the first moment on, so that a secret is never readable by others.
        sync_directory: Without it the caller makes the new name durable, once for all that it writes into the directory.
    Raises:
        OSError: The directory is missing, read-only or full; *path* is unchanged and no temporary file stays.
    """
    content = data.encode() if isinstance(data, str) else data
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if sync_directory:
        fsync_directory(path.parent)


def fsync_directory(path: Path) -> None:
    """Make renames and unlinks in *path* durable; a file system that cannot (some FUSE mounts) is left as it is."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError:
        # EINVAL/ENOTSUP on network and FUSE mounts: their servers order metadata themselves.
        pass
    finally:
        os.close(handle)
