"""Checksums that hosts promised for addresses whose preset names none, kept over restarts.

Without them a file that was found damaged would look merely unverified after the next start.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from backend.kit.atomic import write_atomic

_MAX_BYTES = 8 << 20
_SHA256 = re.compile(r"^[0-9a-f]{64}$")


class Promises:
    """Hold what was promised; ``version`` grows with every change.

    Args:
        path: JSON file ``{address: sha256}``; may be missing, and counts as empty when it cannot be understood.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: Mapping[str, str] = {}
        self.version = 0

    def load(self) -> None:
        """Read what was promised before; blocking."""
        self._known = _read(self._path)
        self.version += 1

    def all(self) -> Mapping[str, str]:
        """Return every promise by address; the mapping never changes."""
        return self._known

    async def learn(self, url: str, sha256: str) -> None:
        """Keep a promise; durable when it returns.

        Raises:
            OSError: It cannot be written; it holds until the next start.
        """
        if self._known.get(url) == sha256:
            return
        self._known = {**self._known, url: sha256}
        self.version += 1
        await asyncio.to_thread(self._save, self._known)

    def _save(self, known: Mapping[str, str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, json.dumps(known, indent=1, sort_keys=True))


def _read(path: Path) -> Mapping[str, str]:
    try:
        with path.open("rb") as file:
            content: object = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    entries = cast("dict[str, object]", content)
    return {url: value for url, value in entries.items() if isinstance(value, str) and _SHA256.match(value)}
