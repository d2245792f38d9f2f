"""Remember every secret that a test uses and every log that the suite writes, and compare the two at the end.

A test asks :func:`secret` for its passwords and tokens instead of writing them down; ``conftest`` scans the logs of all
servers and applications of the session and fails the run when one of these values is in them.
"""

from __future__ import annotations

import atexit
import secrets
import shutil
import tempfile
from pathlib import Path

LOGS = Path(tempfile.mkdtemp(prefix="hearth-test-logs-"))
atexit.register(shutil.rmtree, LOGS, ignore_errors=True)

_used: dict[str, str] = {}


def secret(name: str, prefix: str = "") -> str:
    """Return a fresh random value that must never appear in a log; *name* is shown when it does."""
    value = f"{prefix}{secrets.token_hex(17)}"  # letters and digits alone, as the hosts' own tokens have
    _used[value] = name
    return value


def watch(name: str, value: str) -> str:
    """Watch a secret that the product made itself, such as a session token."""
    _used[value] = name
    return value


def leaks(folder: Path = LOGS) -> list[str]:
    """Return one line for each watched secret found in a log under *folder*."""
    found: list[str] = []
    for path in sorted(folder.rglob("*.log")):
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{name} stands in clear in {path.name}" for value, name in _used.items() if value in text]
    return found
