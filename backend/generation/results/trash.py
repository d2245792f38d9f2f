"""The trash of the gallery: ``outputs/.trash/<removal id>`` with a manifest that is durable before the first rename.

A crash at any instant leaves each file either in its place or in the trash, and the manifest names both; what the disk says
is the truth, and :func:`survey` reads it. Every function is blocking.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from backend.errors import JSON
from backend.generation.results import sidecar
from backend.generation.results.errors import ResultInTheWay
from backend.generation.results.item import Item, stamp
from backend.kit.atomic import fsync_directory, write_atomic

TRASH = ".trash"
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Move:
    """One result on its way: where it belongs and where it lies in the trash, each with its sidecar."""

    item_id: str
    place: Path
    stored: Path

    def away(self) -> None:
        """Move into the trash what is in its place; gone is what was asked for."""
        _rename(self.place, self.stored)
        _rename(sidecar.place_of(self.place), self.stored_sidecar)

    def back(self) -> None:
        """Move back what is in the trash."""
        self.place.parent.mkdir(parents=True, exist_ok=True)
        # The sidecar first: a file in its place counts as restored.
        _rename(self.stored_sidecar, sidecar.place_of(self.place))
        _rename(self.stored, self.place)

    @property
    def stored_sidecar(self) -> Path:
        """Where the sidecar lies in the trash."""
        return stored_sidecar(self.stored.parent, self.item_id)


@dataclass(frozen=True, slots=True)
class Trashed:
    """What the disk says about one result in the trash."""

    move: Move
    removal_id: str
    removed_at: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What lies in the trash, and the ids of what a manifest names but lies in its place."""

    inside: tuple[Trashed, ...]
    outside: tuple[str, ...]


def stored_at(outputs: Path, item: Item) -> Path:
    """Return where the file of a trashed item lies."""
    return outputs / TRASH / (item.removal_id or "") / f"{item.id}{Path(item.path).suffix}"


def stored_sidecar(folder: Path, item_id: str) -> Path:
    """Return where the sidecar of a trashed item lies."""
    return folder / f"{item_id}.sidecar.json"


def move_away(outputs: Path, items: Sequence[Item], removal_id: str, removed_at: str) -> None:
    """Move the files of *items* into the trash.

    Raises:
        OSError: A rename failed; what was moved before is in the trash.
    """
    folder = outputs / TRASH / removal_id
    folder.mkdir(parents=True)
    entries: list[JSON] = [
        {"id": item.id, "path": item.path, "stored": f"{item.id}{Path(item.path).suffix}"} for item in items
    ]
    manifest: dict[str, JSON] = {"schema": 1, "id": removal_id, "removed_at": removed_at, "items": entries}
    write_atomic(folder / _MANIFEST, json.dumps(manifest, indent=1))
    fsync_directory(folder.parent)
    moves = [Move(item.id, outputs / item.path, folder / f"{item.id}{Path(item.path).suffix}") for item in items]
    for move in moves:
        move.away()
    for place in {move.place.parent for move in moves if move.place.parent.is_dir()}:
        fsync_directory(place)
    fsync_directory(folder)


def move_back(outputs: Path, items: Sequence[Item]) -> None:
    """Move trashed items back into their places, all or none.

    Raises:
        ResultInTheWay: Another file stands where one belongs; nothing was moved.
        OSError: A rename failed; asking again finishes.
    """
    moves = [Move(item.id, outputs / item.path, stored_at(outputs, item)) for item in items]
    blocked: list[JSON] = [str(move.place) for move in moves if move.stored.exists() and move.place.exists()]
    if blocked:
        raise ResultInTheWay(f"{blocked[0]} is in the way of a restored file.", details={"blocked": blocked})
    for move in moves:
        move.back()
    for place in {move.place.parent for move in moves}:
        fsync_directory(place)


def purge(outputs: Path, items: Sequence[Item]) -> None:
    """Delete trashed items for good.

    Raises:
        OSError: One cannot be deleted; asking again finishes.
    """
    for item in items:
        stored = stored_at(outputs, item)
        stored.unlink(missing_ok=True)
        stored_sidecar(stored.parent, item.id).unlink(missing_ok=True)


def survey(outputs: Path) -> Survey:
    """Read what the disk says, and finish moves that were cut between a file and its sidecar."""
    inside: list[Trashed] = []
    outside: list[str] = []
    for folder in _removals(outputs):
        for trashed in _read_manifest(outputs, folder):
            if trashed.move.stored.is_file():
                _rename(sidecar.place_of(trashed.move.place), trashed.move.stored_sidecar)
                inside.append(trashed)
            elif trashed.move.place.is_file():
                _rename(trashed.move.stored_sidecar, sidecar.place_of(trashed.move.place))
                outside.append(trashed.move.item_id)
    return Survey(tuple(inside), tuple(outside))


def tidy(outputs: Path) -> None:
    """Remove the removals that hold nothing but their manifest; what nobody knows stays for a person to look at.

    Only after the gallery's entries say what the disk says: until then the manifest is what a restart learns it from.
    """
    for folder in _removals(outputs):
        entries = list(folder.iterdir())
        if all(entry.name.endswith((_MANIFEST, ".tmp")) for entry in entries):
            for entry in entries:
                entry.unlink(missing_ok=True)
            folder.rmdir()


def _removals(outputs: Path) -> list[Path]:
    return sorted(folder for folder in (outputs / TRASH).glob("*") if folder.is_dir())


def _read_manifest(outputs: Path, folder: Path) -> Iterator[Trashed]:
    """Read a manifest, whose text anybody with the volume could have changed, so that paths stay below the outputs."""
    try:
        document: object = json.loads((folder / _MANIFEST).read_bytes())
        manifest = cast("dict[str, object]", document if isinstance(document, dict) else {})
        removed_at = stamp(datetime.fromisoformat(str(manifest.get("removed_at"))))
    except (OSError, ValueError):
        return
    entries = manifest.get("items")
    for entry in cast("list[object]", entries) if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        item_id, path, stored = (str(cast("dict[str, object]", entry).get(name)) for name in ("id", "path", "stored"))
        if sidecar.is_below(path) and Path(stored).name == stored and Path(item_id).name == item_id:
            yield Trashed(Move(item_id, outputs / path, folder / stored), folder.name, removed_at)


def _rename(source: Path, target: Path) -> None:
    if source.exists() and not target.exists():
        source.rename(target)
