"""Remove a preset's files by reference count, into a trash on the same volume, and bring them back.

A file that another installed preset needs stays. Every removal is a folder ``<root>/.hearth-trash/<removal id>`` with a
manifest that is durable before the first rename, so a crash at any instant leaves each file either in its place or in
the trash, and the manifest names both. Trashed files end in ``.trash``: no program takes them for models.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from backend.errors import JSON
from backend.kit.atomic import fsync_directory, write_atomic
from backend.kit.clock import utc_now
from backend.kit.ids import new_id
from backend.presets.catalog import Catalog
from backend.presets.errors import NothingToRestore, RestoreBlocked
from backend.presets.installation import PRESENT, PresetState, Status
from backend.presets.preset import Preset

TRASH_NAME = ".hearth-trash"
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class RemovableFile:
    """A file that goes; ``root`` is the model root that it lies in."""

    path: Path
    root: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that stays, because of these presets or for another reason."""

    path: Path
    size_bytes: int
    needed_by: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class RemovalPlan:
    """What a removal does: ``files`` go to the trash, ``kept`` stay, ``partials`` (unfinished transfers) are deleted."""

    preset_id: str
    files: tuple[RemovableFile, ...]
    kept: tuple[KeptFile, ...]
    partials: tuple[Path, ...]

    @property
    def bytes_freed(self) -> int:
        """Bytes of the files that go; they are free once the trash is emptied."""
        return sum(file.size_bytes for file in self.files)


def plan_removal(
    preset: Preset,
    catalog: Catalog,
    states: Mapping[str, PresetState],
    roots: Iterable[Path],
    destination: Callable[[str, str], Path],
) -> RemovalPlan:
    """Decide file by file what goes; looks only at the states that were derived from the disk before."""
    known_roots = tuple(roots)
    files: list[RemovableFile] = []
    kept: list[KeptFile] = []
    partials: list[Path] = []
    holders = _holders(preset, catalog, states)
    for file, state in zip(preset.files, states[preset.id].files, strict=True):
        needed_by = holders.get(file.place if state.path is None else state.path, ())
        if state.path is None:
            if state.bytes_present and not needed_by:
                partials.append(destination(*file.place))
            continue
        root = _root_of(state.path, known_roots)
        if needed_by:
            kept.append(KeptFile(state.path, state.bytes_present, needed_by, f"Needed by {', '.join(needed_by)}."))
        elif root is None:
            kept.append(KeptFile(state.path, state.bytes_present, (), "Lies outside every model folder."))
        elif not os.access(state.path.parent, os.W_OK):
            kept.append(KeptFile(state.path, state.bytes_present, (), "Its folder cannot be written."))
        else:
            files.append(RemovableFile(state.path, root, state.bytes_present))
    return RemovalPlan(preset.id, tuple(files), tuple(kept), tuple(partials))


def _holders(
    preset: Preset, catalog: Catalog, states: Mapping[str, PresetState]
) -> dict[Path | tuple[str, str], tuple[str, ...]]:
    """Map each file and place of *preset* to the other presets that hold on to it.

    Files are compared too, because two category names may lead to one folder (``clip`` and ``text_encoders``).
    """
    mine: set[Path | tuple[str, str]] = {file.place for file in preset.files}
    mine.update(state.path for state in states[preset.id].files if state.path is not None)
    holders: dict[Path | tuple[str, str], tuple[str, ...]] = {}
    for other in catalog.presets:
        if other.id == preset.id or not _needs_files(states[other.id]):
            continue
        for file, state in zip(other.files, states[other.id].files, strict=True):
            keys: tuple[Path | tuple[str, str] | None, ...] = (file.place, state.path)
            for key in keys:
                if key is not None and key in mine and other.id not in holders.get(key, ()):
                    holders[key] = (*holders.get(key, ()), other.id)
    return holders


def _needs_files(state: PresetState) -> bool:
    """A preset holds on to its files when all of them are there, sound or not, or when they are being fetched."""
    whole = all(file.status in PRESENT or file.status is Status.DAMAGED for file in state.files)
    return whole or state.status is Status.DOWNLOADING


def execute_removal(plan: RemovalPlan) -> str | None:
    """Move the files of *plan* to the trash and return the removal's id, or None when nothing had to move; blocking.

    Raises:
        OSError: A rename failed; what was moved before is in the trash and can be restored.
    """
    if not plan.files:
        return None
    removal_id = new_id()
    by_trash: dict[Path, list[RemovableFile]] = {}
    for file in plan.files:
        by_trash.setdefault(_trash_for(file), []).append(file)
    for trash, files in by_trash.items():
        _move_away(trash / removal_id, plan.preset_id, files)
    return removal_id


def restore(preset_id: str, roots: Iterable[Path], removal_id: str | None = None) -> list[Path]:
    """Bring back the files of a removal of a preset, by default the last one, and return their paths; blocking.

    Repeatable: what a crash left half-way is finished by asking again.

    Raises:
        NothingToRestore: No such removal of this preset is in the trash.
        RestoreBlocked: Another file stands where one belongs; nothing was moved.
    """
    known_roots = tuple(roots)
    removals = sorted(_removals_of(preset_id, known_roots), key=lambda folder: folder.name)
    if removal_id is not None:
        removals = [folder for folder in removals if folder.name == removal_id]
    if not removals:
        raise NothingToRestore(f"Nothing that was removed with the preset {preset_id} is in the trash.")
    newest = removals[-1].name
    folders = [folder for folder in removals if folder.name == newest]
    moves = [move for folder in folders for move in _moves_back(folder, known_roots)]
    blocked: list[JSON] = [str(original) for _, original in moves if original.exists()]
    if blocked:
        raise RestoreBlocked(f"{blocked[0]} is in the way of a restored file.", details={"blocked": blocked})
    leftovers = _left_over(folders, moves)
    if leftovers and not moves:
        raise NothingToRestore(
            f"The list of what was removed with {preset_id} is damaged.",
            hint="Look into the folders in details.folders; move what you need back by hand.",
            details={"folders": leftovers},
        )
    for stored, original in moves:
        original.parent.mkdir(parents=True, exist_ok=True)
        stored.rename(original)
        fsync_directory(original.parent)
    for folder in folders:
        if str(folder) not in leftovers:
            (folder / _MANIFEST).unlink()
            folder.rmdir()
    return [original for _, original in moves]


def _left_over(folders: list[Path], moves: list[tuple[Path, Path]]) -> list[JSON]:
    """List the folders that hold more than their manifest and what goes back; these stay for a person to look at."""
    going = {stored for stored, _ in moves}
    return [
        str(folder)
        for folder in folders
        if any(entry.name != _MANIFEST and entry not in going for entry in folder.iterdir())
    ]


def _move_away(folder: Path, preset_id: str, files: list[RemovableFile]) -> None:
    folder.mkdir(parents=True)
    moves = [(file.path, f"{index:04}.trash", file.size_bytes) for index, file in enumerate(files)]
    manifest: dict[str, JSON] = {
        "schema": 1,
        "id": folder.name,
        "preset_id": preset_id,
        "removed_at": utc_now().isoformat(),
        "files": [{"path": str(path), "stored": stored, "size_bytes": size} for path, stored, size in moves],
    }
    write_atomic(folder / _MANIFEST, json.dumps(manifest, indent=2))
    fsync_directory(folder.parent)
    for path, stored, _ in moves:
        try:
            path.rename(folder / stored)
        except FileNotFoundError:
            continue  # somebody was faster; gone is what was asked for
        fsync_directory(path.parent)
    fsync_directory(folder)


def _moves_back(folder: Path, roots: tuple[Path, ...]) -> list[tuple[Path, Path]]:
    """Read a manifest, whose text anybody with the volume could have changed, so that paths stay below the roots."""
    moves: list[tuple[Path, Path]] = []
    entries = (_read_manifest(folder) or {}).get("files")
    for entry in cast("list[dict[str, str]]", entries) if isinstance(entries, list) else []:
        try:
            stored, original = folder / Path(entry["stored"]).name, Path(entry["path"])
        except (TypeError, KeyError):
            continue
        if _root_of(original, roots) is not None and ".." not in original.parts and stored.is_file():
            moves.append((stored, original))
    return moves


def _removals_of(preset_id: str, roots: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for trash in _trashes(roots):
        for folder in trash.iterdir():
            manifest = _read_manifest(folder)
            if manifest is not None and manifest.get("preset_id") == preset_id:
                found.append(folder)
    return found


def _read_manifest(folder: Path) -> dict[str, object] | None:
    try:
        value: object = json.loads((folder / _MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _trash_for(file: RemovableFile) -> Path:
    """Choose a trash on the file's own volume: a category may be a link to another disk, where renames cannot go."""
    if file.path.parent.stat().st_dev == file.root.stat().st_dev:
        return file.root / TRASH_NAME
    return _category_of(file) / TRASH_NAME


def _category_of(file: RemovableFile) -> Path:
    relative = file.path.relative_to(file.root)
    return file.root / relative.parts[0]


def _trashes(roots: tuple[Path, ...]) -> list[Path]:
    candidates = [root / TRASH_NAME for root in roots]
    for root in roots:
        if root.is_dir():
            candidates.extend(entry / TRASH_NAME for entry in root.iterdir() if entry.is_dir())
    return [trash for trash in candidates if trash.is_dir()]


def _root_of(path: Path, roots: tuple[Path, ...]) -> Path | None:
    return next((root for root in roots if path.is_relative_to(root)), None)
