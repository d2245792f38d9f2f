"""What the disk must do for a download: room, an open part that nobody else writes, and the final name."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from pathlib import Path

from backend.downloads.errors import DestinationTaken, DownloadError, FolderNotWritable, NoSpace, WriteFailed
from backend.kit.atomic import fsync_directory

# statfs(2): ext2/3/4, xfs, btrfs, overlay. There an allocation is an extent; tmpfs writes every page, others emulate it.
_PREALLOCATING = frozenset({0xEF53, 0x58465342, 0x9123683E, 0x794C7630})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP})
_CANNOT_KEEP = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_STATFS_WORDS = 32
_SYNC_FILE_RANGE_WRITE = 2

_libc = ctypes.CDLL(None, use_errno=True)


def open_part(path: Path) -> int:
    """Open the part for reading and writing, made if missing and locked against other processes; blocking.

    Raises:
        FolderNotWritable, NoSpace, WriteFailed: The disk refuses.
        DestinationTaken: Another process is fetching this file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise disk_error(error, path.parent) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise DestinationTaken(
            f"Another process is fetching {path.stem} already.", hint="Wait for it, or stop it."
        ) from None
    except OSError:
        pass  # some network mounts have no locks: there only the lock inside this process protects
    return handle


def reserve(handle: int, folder: Path, size_bytes: int, reserve_bytes: int) -> bool:
    """Give the part its length, and its blocks where the file system can do that at once; blocking.

    Returns:
        Whether it has its blocks, so that the disk cannot fill up under it.
    Raises:
        NoSpace: It does not fit beside the reserve; the part is as it was.
    """
    have = os.fstat(handle)
    need = size_bytes - have.st_blocks * 512
    ensure_room(folder, need, reserve_bytes)
    try:
        allocated = _preallocate(handle, size_bytes)
        if have.st_size != size_bytes:
            os.ftruncate(handle, size_bytes)
    except OSError as error:
        os.ftruncate(handle, have.st_size)  # a refused allocation may have taken what was left of the disk
        raise disk_error(error, folder, need_bytes=need, reserve_bytes=reserve_bytes) from error
    return allocated


def ensure_room(folder: Path, need_bytes: int, reserve_bytes: int) -> None:
    """Raise NoSpace unless *need_bytes* fit into *folder* beside the reserve; blocking."""
    free = shutil.disk_usage(folder).free
    if need_bytes > 0 and need_bytes + reserve_bytes > free:
        raise _no_space(need_bytes, free, reserve_bytes)


def begin_writing_back(handle: int) -> None:
    """Let the kernel begin now to put on the disk what was written; blocking only while the disk's queue is full.

    It says nothing about what is durable: that is fdatasync's word, which has less to wait for then.
    """
    if hasattr(_libc, "sync_file_range"):
        _libc.sync_file_range(handle, ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE)


def publish(part: Path, destination: Path, *, replace: bool) -> None:
    """Give the part its final name, durably; blocking. The bytes must be on the disk already.

    Raises:
        DestinationTaken: The name was taken meanwhile; the part stays.
        FolderNotWritable, NoSpace, WriteFailed: The disk refuses; the part stays.
    """
    try:
        if replace:
            part.replace(destination)
        else:
            _rename_to_free_name(part, destination)
    except FileExistsError:
        raise DestinationTaken(f"{destination.name} has appeared while it was being fetched.") from None
    except OSError as error:
        raise disk_error(error, destination.parent) from error
    fsync_directory(destination.parent)


def disk_error(error: OSError, folder: Path, *, need_bytes: int = 0, reserve_bytes: int = 0) -> DownloadError:
    """Name what the operating system refused; blocking (asks for the free space)."""
    if error.errno in _FULL:
        try:
            free = shutil.disk_usage(folder).free
        except OSError:
            free = 0
        return _no_space(need_bytes, free, reserve_bytes)
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _REFUSED:
        return FolderNotWritable(f"The folder {folder.name} cannot be written: {reason}.")
    return WriteFailed(f"The disk refused to write into {folder.name}: {reason}.")


def _no_space(need_bytes: int, free_bytes: int, reserve_bytes: int) -> NoSpace:
    return NoSpace(
        "There is not enough space left on the disk.",
        details={"need_bytes": need_bytes, "free_bytes": free_bytes, "reserve_bytes": reserve_bytes},
    )


def _preallocate(handle: int, size_bytes: int) -> bool:
    """Allocate with fallocate(2) itself: glibc's posix_fallocate writes every block where the file system cannot."""
    words = (ctypes.c_long * _STATFS_WORDS)()
    if _libc.fstatfs(handle, words) or words[0] not in _PREALLOCATING:
        return False
    if _libc.fallocate(handle, 0, ctypes.c_long(0), ctypes.c_long(size_bytes)) == 0:
        return True
    code = ctypes.get_errno()
    if code in _FULL:
        raise OSError(code, os.strerror(code))
    return False


def _rename_to_free_name(part: Path, destination: Path) -> None:
    """Rename with RENAME_NOREPLACE, so that a file that appeared meanwhile is never overwritten."""
    code = errno.ENOSYS
    if hasattr(_libc, "renameat2"):
        old, new = os.fsencode(part), os.fsencode(destination)
        if _libc.renameat2(_AT_FDCWD, old, _AT_FDCWD, new, _RENAME_NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
    if code not in _CANNOT_KEEP:
        raise OSError(code, os.strerror(code))
    # NFS and most FUSE mounts lack the flag; the look before the rename leaves a gap of microseconds there.
    if destination.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    part.rename(destination)
