"""Keep every saved state of a workflow: ``.versions/<id>/<n>.json``, byte for byte what the file held."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from backend.generation.workflows.errors import VersionNotFound
from backend.generation.workflows.library.entry import Version
from backend.generation.workflows.library.folder import read_bounded
from backend.kit.atomic import write_atomic

VERSIONS_NAME = ".versions"
MAX_VERSIONS = 100


class Versions:
    """The kept states below one library; every method blocks."""

    def __init__(self, root: Path) -> None:
        self._root = root / VERSIONS_NAME

    def folder(self, workflow_id: str) -> Path:
        """Return where the states of a workflow are kept; it may not exist."""
        return self._root / workflow_id

    def keep(self, workflow_id: str, data: bytes) -> int:
        """Keep a state, unless it is the newest already, and return its number; the oldest beyond the limit go.

        Raises:
            OSError: It cannot be written; nothing was changed.
        """
        numbers = list(self._numbers(workflow_id))
        newest = max(numbers, default=0)
        if newest and self._path(workflow_id, newest).read_bytes() == data:
            return newest
        self.folder(workflow_id).mkdir(parents=True, exist_ok=True)
        write_atomic(self._path(workflow_id, newest + 1), data)
        for number in sorted(numbers)[: max(0, len(numbers) + 1 - MAX_VERSIONS)]:
            self._path(workflow_id, number).unlink(missing_ok=True)
        return newest + 1

    def number_of(self, workflow_id: str, data: bytes) -> int:
        """Return the newest kept state with this content; the number that it would get when there is none."""
        numbers = sorted(self._numbers(workflow_id), reverse=True)
        for number in numbers:
            path = self._path(workflow_id, number)
            if path.stat().st_size == len(data) and path.read_bytes() == data:
                return number
        return (numbers[0] if numbers else 0) + 1

    def all(self, workflow_id: str, current: bytes) -> list[Version]:
        """Return the kept states, the newest first."""
        now = self.number_of(workflow_id, current)
        return [
            Version(number, datetime.fromtimestamp(stat.st_mtime, UTC), stat.st_size, number == now)
            for number in sorted(self._numbers(workflow_id), reverse=True)
            if (stat := self._path(workflow_id, number).stat())
        ]

    def read(self, workflow_id: str, number: int) -> bytes:
        """Return one kept state.

        Raises:
            VersionNotFound: There is none of this number.
        """
        try:
            return read_bounded(self._path(workflow_id, number))
        except FileNotFoundError:
            raise VersionNotFound(f"The workflow {workflow_id} has no version {number}.") from None

    def move(self, old_id: str, new_id: str) -> None:
        """Let a workflow take its states along to another id."""
        if self.folder(old_id).is_dir() and not self.folder(new_id).exists():
            self.folder(old_id).rename(self.folder(new_id))

    def _numbers(self, workflow_id: str) -> Iterator[int]:
        try:
            names = [path.name for path in self.folder(workflow_id).iterdir()]
        except OSError:
            return
        for name in names:
            stem = name.removesuffix(".json")
            if name.endswith(".json") and stem.isdecimal() and stem.isascii():
                yield int(stem)

    def _path(self, workflow_id: str, number: int) -> Path:
        return self.folder(workflow_id) / f"{number}.json"
