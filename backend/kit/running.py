"""Find the process that works on a folder: it holds a lock, and says where it answers.

Light on purpose: the command line asks this before it does anything else.
"""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass
from pathlib import Path

LOCK_NAME = "hearth.lock"
RUNTIME_NAME = "runtime.json"


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where the running Hearth answers; ``token`` is valid until it ends."""

    url: str
    token: str
    pid: int


def read_runtime(config_dir: Path) -> Runtime | None:
    """Return where the running Hearth of this workspace answers, or ``None`` when none runs; blocking."""
    try:
        with (config_dir / LOCK_NAME).open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pass  # held: somebody runs
    except OSError:
        return None
    else:
        return None
    try:
        return Runtime(**json.loads((config_dir / RUNTIME_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
