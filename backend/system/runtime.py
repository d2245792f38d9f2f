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
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from backend.kit.atomic import write_atomic
from backend.logs import get_logger
from backend.system.errors import WorkspaceInUse

log = get_logger(__name__)

_LOCK = "hearth.lock"
_RUNTIME = "runtime.json"
_CANNOT_LOCK = {errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where the running Hearth answers; ``token`` is valid until it ends."""

    url: str
    token: str
    pid: int


class WorkspaceLock:
    """Hold a workspace; use it as a context manager; blocking for an instant only.

    Raises:
        WorkspaceInUse: Another process holds it.
    """

    def __init__(self, config_dir: Path) -> None:
        self._directory = config_dir
        self._handle = -1

    def __enter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _CANNOT_LOCK:
                os.close(self._handle)
                raise WorkspaceInUse(f"Another Hearth works on {self._directory.parent}.") from None
            # Some network volumes know no locks; then the owner must see to it that there is one Hearth.
            log.warning("workspace_lock_unsupported", reason=os.strerror(error.errno))
        (self._directory / _RUNTIME).unlink(missing_ok=True)
        return self

    def announce(self, url: str, token: str) -> None:
        """Tell local commands where this process answers; blocking."""
        content = json.dumps(asdict(Runtime(url, token, os.getpid())))
        write_atomic(self._directory / _RUNTIME, content, mode=0o600)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self._directory / _RUNTIME).unlink(missing_ok=True)
        os.close(self._handle)


def read_runtime(config_dir: Path) -> Runtime | None:
    """Return where the running Hearth of this workspace answers, or ``None`` when none runs; blocking."""
    try:
        with (config_dir / _LOCK).open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pass  # held: somebody runs
    except OSError:
        return None
    else:
        return None
    try:
        return Runtime(**json.loads((config_dir / _RUNTIME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
