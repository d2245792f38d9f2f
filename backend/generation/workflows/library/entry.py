"""The values of the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from backend.errors import JSON
from backend.generation.workflows.document import Document, Format


class Shelf(StrEnum):
    """Where a workflow stands."""

    MINE = "mine"
    OFFICIAL = "official"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a list shows of a workflow.

    ``etag`` changes with the content. ``problem`` says why a file cannot be used; its ``format`` is None then.
    ``is_shipped``: it comes with Hearth itself and means no particular checkpoint.
    ``kind`` is what it makes, where its nodes tell. ``size_bytes`` is of the workflow's file, ``models_bytes`` of the models it needs, where somebody said so.
    """

    id: str
    name: str
    shelf: Shelf
    path: Path
    etag: str
    modified_at: datetime
    size_bytes: int
    folder: str | None = None
    format: Format | None = None
    kind: str | None = None
    nodes: int = 0
    description: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    models_bytes: int | None = None
    min_version: str | None = None
    thumbnail: Path | None = None
    problem: str | None = None
    is_shipped: bool = False

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values; paths of the machine are not among them."""
        return {
            "id": self.id,
            "name": self.name,
            "shelf": self.shelf.value,
            "folder": self.folder,
            "format": None if self.format is None else self.format.value,
            "etag": self.etag,
            "modified_at": self.modified_at.isoformat(),
            "size_bytes": self.size_bytes,
            "kind": self.kind,
            "nodes": self.nodes,
            "description": self.description,
            "category": self.category,
            "tags": list(self.tags),
            "models_bytes": self.models_bytes,
            "min_version": self.min_version,
            "has_thumbnail": self.thumbnail is not None,
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True)
class Stored:
    """A workflow with its content; ``version`` counts from 1, and is the next one after an edit on disk."""

    entry: Entry
    document: Document
    version: int


@dataclass(frozen=True, slots=True)
class Version:
    """One kept state of a workflow."""

    number: int
    saved_at: datetime
    size_bytes: int
    is_current: bool

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values."""
        return {
            "number": self.number,
            "saved_at": self.saved_at.isoformat(),
            "size_bytes": self.size_bytes,
            "is_current": self.is_current,
        }


@dataclass(frozen=True, slots=True)
class Trashed:
    """A deleted workflow that can be brought back."""

    trash_id: str
    workflow_id: str
    name: str
    folder: str | None
    deleted_at: str

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values."""
        return {
            "trash_id": self.trash_id,
            "workflow_id": self.workflow_id,
            "name": self.name,
            "folder": self.folder,
            "deleted_at": self.deleted_at,
        }


Content = Mapping[str, JSON]
