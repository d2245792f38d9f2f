"""The user's own definitions: one JSON file per preset in ``<workspace>/config/presets``; all functions block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backend.errors import HearthError
from backend.kit.atomic import fsync_directory, write_atomic
from backend.presets.catalog import Catalog
from backend.presets.errors import InvalidPreset, PresetShipped
from backend.presets.preset import Origin
from backend.presets.schema import PresetDocument, dump_preset


def check_places(document: PresetDocument, destination: Callable[[str, str], Path]) -> None:
    """Make sure that every file of a definition has a place in this workspace.

    Raises:
        InvalidPreset: A directory is no model category, or a place is outside the fence.
    """
    for index, file in enumerate(document.files):
        try:
            destination(file.directory, file.name)
        except HearthError as error:
            problem = f"files.{index}: {error.message}"
            raise InvalidPreset(
                f"The preset is not valid: {problem}",
                hint=error.hint,
                details={"problems": [problem], **error.details},
            ) from None


def save_definition(folder: Path, catalog: Catalog, document: PresetDocument) -> Path:
    """Write a definition durably, over the file it came from when there is one."""
    path = catalog.sources.get(document.id) or folder / f"{document.id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, dump_preset(document))
    return path


def delete_definition(catalog: Catalog, preset_id: str) -> None:
    """Remove a user's definition; a shipped one of the same id shows again.

    Raises:
        PresetShipped: The definition is not the user's.
    """
    path = catalog.sources.get(preset_id)
    if path is None or catalog.by_id[preset_id].origin is not Origin.USER:
        raise PresetShipped(f"The definition of {preset_id} comes with Hearth and cannot be removed.")
    path.unlink(missing_ok=True)
    fsync_directory(path.parent)
