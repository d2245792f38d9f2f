"""Everything that can be done with the workflows of a workspace."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from backend.errors import JSON
from backend.generation.workflows.document import MAX_JSON_BYTES, document_of, parse_document, read_document
from backend.generation.workflows.errors import (
    InvalidWorkflowName,
    NotAWorkflow,
    WorkflowChanged,
    WorkflowExists,
    WorkflowNotFound,
    WorkflowReadOnly,
    WorkflowTooLarge,
)
from backend.generation.workflows.library.entry import Entry, Shelf, Stored, Trashed, Version
from backend.generation.workflows.library.folder import THUMBNAILS, Folder, read_bounded
from backend.generation.workflows.library.names import checked_name, free_name, name_of_upload, workflow_id
from backend.generation.workflows.library.shipped import ReadOnlyShelf
from backend.generation.workflows.library.trash import Trash
from backend.generation.workflows.library.versions import Versions
from backend.kit.atomic import fsync_directory, write_atomic

_MAX_THUMBNAIL_BYTES = 8 << 20


class WorkflowLibrary:
    """The workflows below one folder, and templates beside them.

    Every method blocks and may be called from any thread; changes happen one at a time. A crash at any instant leaves
    the old content or the new one.

    Args:
        root: ``<workspace>/workflows``; it is made when the first workflow is saved.
        templates: What stands beside them and can only be read, where there is anything.
    """

    def __init__(self, root: Path, templates: ReadOnlyShelf | None = None) -> None:
        self._root = root
        self._folder = Folder(root)
        self._templates = templates
        self._versions = Versions(root)
        self._trash = Trash(root)
        self._turn = threading.RLock()
        self._changed: Callable[[], None] = _nobody

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call *listener* after every change that was made here, in the thread that made it."""
        self._changed = listener

    def outline(self) -> dict[str, str]:
        """Return, by the id of each of one's own workflows, a text that changes whenever its file or picture does."""
        with self._turn:
            return self._folder.outline()

    def entries(self, shelf: Shelf | None = None) -> list[Entry]:
        """Return all workflows, or those of one shelf: one's own first."""
        with self._turn:
            mine = [] if shelf is Shelf.OFFICIAL else self._folder.entries()
            templates = [] if shelf is Shelf.MINE or self._templates is None else self._templates.entries()
            return [*mine, *templates]

    def entry(self, wanted: str) -> Entry:
        """Return what a list shows of one workflow.

        Raises:
            WorkflowNotFound: No workflow has this id.
        """
        for entry in self.entries():
            if entry.id == wanted:
                return entry
        raise WorkflowNotFound(f"There is no workflow {wanted}.")

    def get(self, wanted: str) -> Stored:
        """Return a workflow with its content, as it is on disk now.

        Raises:
            WorkflowNotFound: No workflow has this id.
            NotAWorkflow, WorkflowTooLarge: The file cannot be used.
        """
        with self._turn:
            entry = self.entry(wanted)
            data = self._read(entry)
            version = 1 if entry.shelf is Shelf.OFFICIAL else self._versions.number_of(entry.id, data)
            return Stored(entry, parse_document(data), version)

    def create(self, name: str, content: Mapping[str, JSON], *, folder: str | None = None) -> Stored:
        """Keep a new workflow.

        Raises:
            WorkflowExists: The name is taken.
            InvalidWorkflowName, NotAWorkflow: See there.
            OSError: It cannot be written.
        """
        with self._turn:
            clean, place = checked_name(name), self._checked_folder(folder)
            if workflow_id(place, clean) in self._ids():
                raise WorkflowExists(f"There is a workflow {clean!r} already.")
            return self._write(self._path(place, clean), workflow_id(place, clean), _encoded(content))

    def save(self, wanted: str, content: Mapping[str, JSON], *, expected: str | None = None) -> Stored:
        """Replace the content of a workflow; the old one stays as a version, and the same content makes none.

        Args:
            expected: The etag that the caller read; another one on disk refuses the change.
        Raises:
            WorkflowNotFound, WorkflowReadOnly, WorkflowChanged, NotAWorkflow: See there.
            OSError: It cannot be written; the old content stays.
        """
        with self._turn:
            entry = self._own(wanted)
            if expected is not None and entry.etag != expected:
                raise WorkflowChanged(f"The workflow {entry.name!r} was changed in the meantime.")
            data, before = _encoded(content), entry.path.read_bytes()
            if _same_json(before, data):
                return self.get(wanted)
            self._versions.keep(entry.id, before)
            return self._write(entry.path, entry.id, data)

    def rename(self, wanted: str, name: str, *, folder: str | None = None) -> Stored:
        """Give a workflow another name or folder, and so another id; picture and versions go along.

        Raises:
            WorkflowNotFound, WorkflowReadOnly, WorkflowExists, InvalidWorkflowName: See there.
            OSError: It cannot be moved.
        """
        with self._turn:
            entry = self._own(wanted)
            clean, place = checked_name(name), self._checked_folder(folder)
            new_id, path = workflow_id(place, clean), self._path(place, clean)
            if (new_id != entry.id and new_id in self._ids()) or (path != entry.path and path.exists()):
                raise WorkflowExists(f"There is a workflow {clean!r} already.")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._versions.move(entry.id, new_id)
            if entry.thumbnail is not None:
                entry.thumbnail.rename(path.with_suffix(entry.thumbnail.suffix))
            entry.path.rename(path)
            fsync_directory(path.parent)
            self._changed()
            return self._at(path)

    def delete(self, wanted: str) -> Trashed:
        """Move a workflow to the trash.

        Raises:
            WorkflowNotFound, WorkflowReadOnly: See there.
            OSError: It cannot be moved.
        """
        with self._turn:
            entry = self._own(wanted)
            trashed = self._trash.put(entry, self._versions.folder(entry.id))
            self._changed()
            return trashed

    def trash(self) -> list[Trashed]:
        """Return the deleted workflows that can be restored."""
        with self._turn:
            return self._trash.all()

    def restore(self, wanted: str) -> Entry:
        """Bring back a deleted workflow by the id that it had, or by its id in the trash.

        Raises:
            NothingInTrash, WorkflowExists: See there.
        """
        with self._turn:
            restored = self._trash.restore(wanted)
            self._changed()
            return self.entry(restored.workflow_id)

    def versions(self, wanted: str) -> list[Version]:
        """Return the kept states of a workflow, the newest first; none for a template.

        Raises:
            WorkflowNotFound: No workflow has this id.
        """
        with self._turn:
            entry = self.entry(wanted)
            return [] if entry.shelf is Shelf.OFFICIAL else self._versions.all(entry.id, self._read(entry))

    def version(self, wanted: str, number: int) -> Stored:
        """Return one kept state of a workflow.

        Raises:
            WorkflowNotFound, VersionNotFound: See there.
        """
        with self._turn:
            entry = self._own(wanted)
            return Stored(entry, parse_document(self._versions.read(entry.id, number)), number)

    def take(self, filename: str, file: BinaryIO, *, folder: str | None = None) -> Stored:
        """Keep the workflow that an uploaded file is or carries, under a free name made of the file's.

        Raises:
            NotAWorkflow, NoWorkflowInside, WorkflowDamaged, WorkflowTooLarge: The file holds none.
            InvalidWorkflowName: The folder cannot be used.
        """
        content = read_document(file).best
        with self._turn:
            place = self._checked_folder(folder)
            return self.create(free_name(name_of_upload(filename), place, self._ids()), content, folder=place)

    def set_thumbnail(self, wanted: str, data: bytes) -> Path:
        """Keep a picture beside a workflow (WebP, PNG or JPEG by its first bytes) in place of the one before.

        Raises:
            WorkflowNotFound, WorkflowReadOnly: See there.
            NotAWorkflow: It is no such picture. WorkflowTooLarge: It has more than 8 MiB.
        """
        suffix = _picture_suffix(data)
        with self._turn:
            entry = self._own(wanted)
            path = entry.path.with_suffix(suffix)
            write_atomic(path, data)
            for other in THUMBNAILS:
                if other != suffix:
                    entry.path.with_suffix(other).unlink(missing_ok=True)
            self._changed()
            return path

    def _own(self, wanted: str) -> Entry:
        entry = self.entry(wanted)
        if entry.shelf is Shelf.OFFICIAL:
            raise WorkflowReadOnly(f"{entry.name!r} is an official template.")
        return entry

    def _write(self, path: Path, workflow: str, data: bytes) -> Stored:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._versions.keep(workflow, data)  # first, so that a crash loses no state
        write_atomic(path, data)
        self._changed()
        return self._at(path)

    def _at(self, path: Path) -> Stored:
        entry = next((entry for entry in self._folder.entries() if entry.path == path), None)
        if entry is None:
            raise WorkflowNotFound(f"There is no workflow {path.stem}.")
        return self.get(entry.id)

    def _ids(self) -> set[str]:
        return {entry.id for entry in self.entries()}

    def _read(self, entry: Entry) -> bytes:
        try:
            return read_bounded(entry.path)
        except FileNotFoundError:
            raise WorkflowNotFound(f"There is no workflow {entry.id}.") from None

    def _path(self, folder: str | None, name: str) -> Path:
        return (self._root if folder is None else self._root / folder) / f"{name}.json"

    def _checked_folder(self, folder: str | None) -> str | None:
        if folder is None or not folder.strip():
            return None
        clean = checked_name(folder, "folder")
        if (self._root / clean).is_symlink():
            raise InvalidWorkflowName(f"The folder {clean!r} is a link.")
        return clean


def _nobody() -> None:
    """Hear nothing."""


def _encoded(content: Mapping[str, JSON]) -> bytes:
    document = document_of(content)
    if document is None:
        raise NotAWorkflow("This is JSON, but no workflow of ComfyUI.")
    try:
        data = (json.dumps(document.best, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (ValueError, RecursionError):  # NaN, half a surrogate pair
        raise NotAWorkflow("The workflow holds values that JSON cannot have.") from None
    if len(data) > MAX_JSON_BYTES:
        raise WorkflowTooLarge(f"The workflow is larger than {MAX_JSON_BYTES >> 20} MiB.")
    return data


def _same_json(left: bytes, right: bytes) -> bool:
    try:
        return json.loads(left) == json.loads(right)
    except ValueError:
        return False


def _picture_suffix(data: bytes) -> str:
    if len(data) > _MAX_THUMBNAIL_BYTES:
        raise WorkflowTooLarge(f"The picture is larger than {_MAX_THUMBNAIL_BYTES >> 20} MiB.")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if data.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    raise NotAWorkflow("The thumbnail is no WebP, PNG or JPEG picture.", hint="Give a picture in one of these formats.")
