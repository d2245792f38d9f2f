"""The few workflows that come with Hearth, for whoever has none of their own yet; they can only be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from backend.generation.workflows.document import Format, parse_document
from backend.generation.workflows.library.entry import Entry, Shelf
from backend.generation.workflows.library.kinds import kind_of_document
from backend.kit.files import FileIdentity

CATEGORY = "Basics"


class ReadOnlyShelf(Protocol):
    """Workflows that Hearth does not change."""

    def entries(self) -> list[Entry]:
        """Return them; blocking."""
        ...


class ShippedShelf:
    """Graphs in API format, one a file: its name is the workflow's id, so that doors for other programs can rely on it."""

    def __init__(self, folder: Path) -> None:
        self._entries = list(_read(folder))

    def entries(self) -> list[Entry]:
        """Return all of them, in the order of their ids."""
        return self._entries


class Shelves:
    """Several shelves, seen as one; of equal ids the first counts."""

    def __init__(self, shelves: Sequence[ReadOnlyShelf]) -> None:
        self._shelves = shelves

    def entries(self) -> list[Entry]:
        """Return what stands on all of them."""
        return [entry for shelf in self._shelves for entry in shelf.entries()]


def _read(folder: Path) -> Iterator[Entry]:
    for path in sorted(folder.glob("*.json")):
        identity = FileIdentity.of(path)
        yield Entry(
            id=path.stem,
            name=path.stem.replace("-", " ").capitalize(),
            shelf=Shelf.OFFICIAL,
            path=path,
            etag=f"{identity.mtime_ns:x}-{identity.size_bytes:x}",
            modified_at=datetime.fromtimestamp(identity.mtime_ns / 1e9, UTC),
            size_bytes=identity.size_bytes,
            format=Format.SERVER,
            kind=kind_of_document(parse_document(path.read_bytes())),
            category=CATEGORY,
            is_shipped=True,
        )
