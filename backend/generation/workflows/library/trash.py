"""Deleted workflows: ``.trash/<trash id>/`` with a manifest, the file, its picture and its kept states.

The manifest is durable before the first rename, so that a crash leaves each file in its place or in the trash, and asking
again finishes what was begun.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import cast

from backend.errors import JSON
from backend.generation.workflows.errors import NothingInTrash, WorkflowExists
from backend.generation.workflows.library.entry import Entry, Trashed
from backend.generation.workflows.reading import as_mapping, as_text
from backend.kit.atomic import fsync_directory, write_atomic
from backend.kit.clock import utc_now
from backend.kit.ids import new_id

TRASH_NAME = ".trash"
_MANIFEST = "manifest.json"


class Trash:
    """The trash of one library; every method blocks."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._trash = root / TRASH_NAME

    def put(self, entry: Entry, versions: Path) -> Trashed:
        """Move a workflow and all that belongs to it to the trash.

        Raises:
            OSError: A rename failed; what was moved before can be restored.
        """
        trash_id = new_id()
        folder = self._trash / trash_id
        folder.mkdir(parents=True)
        moves = {"workflow.json": entry.path, "versions": versions}
        if entry.thumbnail is not None:
            moves[f"thumbnail{entry.thumbnail.suffix}"] = entry.thumbnail
        present = {name: path for name, path in moves.items() if path.exists()}
        manifest = {
            "workflow_id": entry.id,
            "name": entry.name,
            "folder": entry.folder,
            "deleted_at": utc_now().isoformat(),
            "files": {name: path.relative_to(self._root).as_posix() for name, path in present.items()},
        }
        write_atomic(folder / _MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        for name, path in present.items():
            path.rename(folder / name)
            fsync_directory(path.parent)
        fsync_directory(folder)
        return _trashed(trash_id, manifest)

    def all(self) -> list[Trashed]:
        """Return what can be restored, the last deleted first."""
        return [_trashed(folder.name, manifest) for folder, manifest in self._manifests()]

    def restore(self, wanted: str) -> Trashed:
        """Bring back what has this trash id, or the last deleted workflow of this id.

        Raises:
            NothingInTrash: There is no such thing.
            WorkflowExists: Something stands in its place; nothing was moved.
        """
        for folder, manifest in self._manifests():
            if wanted in (folder.name, manifest.get("workflow_id")):
                self._move_back(folder, manifest)
                return _trashed(folder.name, manifest)
        raise NothingInTrash(f"No deleted workflow {wanted} is in the trash.")

    def _move_back(self, folder: Path, manifest: Mapping[str, JSON]) -> None:
        names = {name: as_text(place) for name, place in as_mapping(manifest.get("files")).items()}
        if any(not _is_inside(part) for pair in names.items() for part in pair):
            raise NothingInTrash(f"The record of what was deleted in {folder.name} is damaged.")
        places = {folder / name: self._root / place for name, place in names.items() if (folder / name).exists()}
        blocked = next((place for place in places.values() if place.exists()), None)
        if blocked is not None:
            raise WorkflowExists(f"There is a {blocked.name} again where the deleted one belongs.")
        for kept, place in places.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            kept.rename(place)
            fsync_directory(place.parent)
        (folder / _MANIFEST).unlink(missing_ok=True)
        folder.rmdir()

    def _manifests(self) -> Iterator[tuple[Path, Mapping[str, JSON]]]:
        try:
            folders = sorted(self._trash.iterdir(), reverse=True)  # ids sort by time
        except OSError:
            return
        for folder in folders:
            try:
                manifest = cast("object", json.loads((folder / _MANIFEST).read_text("utf-8")))
            except (OSError, ValueError):
                continue
            if as_text(as_mapping(manifest).get("workflow_id")):
                yield folder, as_mapping(manifest)


def _is_inside(place: str) -> bool:
    """Tell whether a relative path stays below where it begins."""
    path = PurePosixPath(place)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _trashed(trash_id: str, manifest: Mapping[str, JSON] | Mapping[str, object]) -> Trashed:
    return Trashed(
        trash_id=trash_id,
        workflow_id=as_text(manifest.get("workflow_id")),
        name=as_text(manifest.get("name")),
        folder=as_text(manifest.get("folder")) or None,
        deleted_at=as_text(manifest.get("deleted_at")),
    )
