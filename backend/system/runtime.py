"""One Hearth per workspace, and how the command line finds it.

``<workspace>/config/hearth.lock`` is held with flock(2) for as long as a process works on the workspace; the kernel
releases it when the process ends in any way. ``<workspace>/config/runtime.json`` (mode 0600) says where that process
answers and carries a token for local commands; it only counts while the lock is held.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from backend.kit.atomic import write_atomic
from backend.kit.running import LOCK_NAME, RUNTIME_NAME, Runtime
from backend.logs import get_logger
from backend.system.errors import WorkspaceInUse, WorkspaceUnusable

log = get_logger(__name__)

_CANNOT_LOCK = {errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}


class WorkspaceLock:
    """Hold a workspace; use it as a context manager; blocking for an instant only.

    Raises:
        WorkspaceInUse: Another process holds it.
        WorkspaceUnusable: The folder cannot be made or written.
    """

    def __init__(self, config_dir: Path) -> None:
        self._directory = config_dir
        self._handle = -1

    def __enter__(self) -> Self:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            reason = error.strerror or str(error)
            raise WorkspaceUnusable(f"The workspace {self._directory.parent} cannot be used: {reason}.") from None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _CANNOT_LOCK:
                os.close(self._handle)
                raise WorkspaceInUse(f"Another Hearth works on {self._directory.parent}.") from None
            # Some network volumes know no locks; then the owner must see to it that there is one Hearth.
            log.warning("workspace_lock_unsupported", reason=os.strerror(error.errno))
        (self._directory / RUNTIME_NAME).unlink(missing_ok=True)
        return self

    def announce(self, url: str, token: str) -> None:
        """Tell local commands where this process answers; blocking."""
        content = json.dumps(asdict(Runtime(url, token, os.getpid())))
        write_atomic(self._directory / RUNTIME_NAME, content, mode=0o600)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self._directory / RUNTIME_NAME).unlink(missing_ok=True)
        os.close(self._handle)
