"""See what lies in a folder of workflows: files that Hearth wrote and files that people put there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from backend.generation.workflows.document import MAX_JSON_BYTES, Document, Format, parse_document
from backend.generation.workflows.errors import WorkflowError, WorkflowTooLarge
from backend.generation.workflows.library.entry import Entry, Shelf
from backend.generation.workflows.library.kinds import kind_of_document
from backend.generation.workflows.library.names import workflow_id
from backend.generation.workflows.reading import as_list
from backend.kit.files import FileIdentity

THUMBNAILS = (".webp", ".png", ".jpg")
_MAX_FILES = 10_000


class Folder:
    """A folder of workflow files and its folders, one level deep. Every method blocks.

    What was read once is remembered until the file changes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[Path, tuple[FileIdentity, Entry]] = {}

    def entries(self) -> list[Entry]:
        """Return every workflow, folders after single files, each part by name; a second of one id gets a number."""
        known: dict[Path, tuple[FileIdentity, Entry]] = {}
        found: list[Entry] = []
        for id_, folder, path in self._identified():
            entry = self._entry(folder, path, known)
            if entry is not None:
                found.append(replace(entry, id=id_, thumbnail=thumbnail_of(path)))
        self._known = known
        return found

    def outline(self) -> dict[str, str]:
        """Return by id a text that changes whenever the workflow's file or picture does; nothing is opened."""
        found: dict[str, str] = {}
        for id_, _, path in self._identified():
            picture = thumbnail_of(path)
            with suppress(OSError):  # gone between the two looks
                looked = [FileIdentity.of(each) for each in (path, picture) if each is not None]
                found[id_] = " ".join(f"{each.mtime_ns:x}-{each.size_bytes:x}-{each.inode:x}" for each in looked)
        return found

    def _identified(self) -> Iterator[tuple[str, str | None, Path]]:
        used: set[str] = set()
        for folder, path in self._files():
            base = id_ = workflow_id(folder, path.stem)
            number = 1
            while id_ in used:
                number += 1
                id_ = f"{base}-{number}"
            used.add(id_)
            yield id_, folder, path

    def _entry(self, folder: str | None, path: Path, known: dict[Path, tuple[FileIdentity, Entry]]) -> Entry | None:
        try:
            identity = FileIdentity.of(path)
            before = self._known.get(path)
            entry = before[1] if before is not None and before[0] == identity else describe_file(folder, path, identity)
        except OSError:
            return None  # gone between the two looks, or not ours to read
        known[path] = (identity, entry)
        return entry

    def _files(self) -> Iterator[tuple[str | None, Path]]:
        count = 0
        for folder in (None, *_names(self.root, is_folder=True)):
            place = self.root if folder is None else self.root / folder
            for name in _names(place, is_folder=False):
                if name.lower().endswith(".json") and count < _MAX_FILES:
                    count += 1
                    yield folder, place / name


def describe_file(folder: str | None, path: Path, identity: FileIdentity) -> Entry:
    """Read a file for the list; blocking.

    Raises:
        OSError: It cannot be read.
    """
    entry = Entry(
        id=workflow_id(folder, path.stem),
        name=path.stem,
        shelf=Shelf.MINE,
        path=path,
        etag="",
        modified_at=datetime.fromtimestamp(identity.mtime_ns / 1e9, UTC),
        size_bytes=identity.size_bytes,
        folder=folder,
    )
    try:
        data = read_bounded(path)
        document = parse_document(data)
    except WorkflowError as error:
        return replace(entry, etag=f"{identity.mtime_ns:x}-{identity.size_bytes:x}", problem=error.message)
    return replace(
        entry,
        etag=etag_of(data),
        format=format_of_document(document),
        kind=kind_of_document(document),
        nodes=count_nodes(document),
    )


def read_bounded(path: Path) -> bytes:
    """Read a file that is no larger than any workflow; blocking.

    Raises:
        WorkflowTooLarge: It is larger.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise WorkflowTooLarge(f"{path.name} is larger than {MAX_JSON_BYTES >> 20} MiB.")
    return data


def etag_of(data: bytes) -> str:
    """Return a text that changes with the content: half of its SHA-256."""
    return hashlib.sha256(data).hexdigest()[:32]


def format_of_document(document: Document) -> Format:
    """Return the format of what is kept of a document."""
    return Format.SERVER if document.editor is None else Format.EDITOR


def count_nodes(document: Document) -> int:
    """Count the nodes on the outermost canvas."""
    if document.editor is not None:
        return len(as_list(document.editor.get("nodes")))
    return len(document.graph or {})


def thumbnail_of(path: Path) -> Path | None:
    """Return the picture beside a workflow file; blocking."""
    return next((picture for suffix in THUMBNAILS if (picture := path.with_suffix(suffix)).is_file()), None)


def _names(place: Path, *, is_folder: bool) -> list[str]:
    """List the visible folders or files in *place*, by name; links to folders are not followed."""
    try:
        with os.scandir(place) as entries:
            return sorted(
                entry.name
                for entry in entries
                if not entry.name.startswith(".")
                and (entry.is_dir(follow_symlinks=False) if is_folder else entry.is_file())
            )
    except OSError:
        return []
