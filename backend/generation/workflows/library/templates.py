"""ComfyUI's official workflow templates as a shelf that can only be read (PyPI ``comfyui-workflow-templates-json``)."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from backend.errors import JSON
from backend.generation.workflows.document import Format
from backend.generation.workflows.library.entry import Entry, Shelf
from backend.generation.workflows.library.kinds import kind_of_template
from backend.generation.workflows.library.names import SEPARATOR
from backend.generation.workflows.reading import as_int, as_list, as_mapping, as_text
from backend.kit.files import FileIdentity

_PACKAGES = ("comfyui_workflow_templates_json", "comfyui_workflow_templates")
_PREFIX = f"official{SEPARATOR}"
_INDEX = "index.json"


def find_templates(folder: Path | None = None) -> Path | None:
    """Return the folder with the templates: the given one, else that of the installed package; blocking."""
    if folder is not None:
        return folder if (folder / _INDEX).is_file() else None
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            if (Path(place) / "templates" / _INDEX).is_file():
                return Path(place) / "templates"
    return None


class TemplateShelf:
    """The templates in a folder. Every method blocks; the index is read again when it changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._identity: FileIdentity | None = None
        self._entries: list[Entry] = []

    def entries(self) -> list[Entry]:
        """Return all templates in the order of their index; none when it cannot be read."""
        try:
            identity = FileIdentity.of(self._folder / _INDEX)
            if identity != self._identity:
                self._entries = list(self._read())
                self._identity = identity
        except (OSError, ValueError):
            return []
        return self._entries

    def _read(self) -> Iterator[Entry]:
        groups = cast("object", json.loads((self._folder / _INDEX).read_text("utf-8")))
        seen: set[str] = set()
        for group in map(as_mapping, as_list(groups)):
            for template in map(as_mapping, as_list(group.get("templates"))):
                name = as_text(template.get("name"))
                path = self._folder / f"{name}.json"
                if name and "/" not in name and not name.startswith(".") and name not in seen and path.is_file():
                    seen.add(name)
                    yield self._entry(name, path, group, template)

    def _entry(self, name: str, path: Path, group: Mapping[str, JSON], template: Mapping[str, JSON]) -> Entry:
        identity = FileIdentity.of(path)
        size = as_int(template.get("size"))
        return Entry(
            id=_PREFIX + name,
            name=as_text(template.get("title")) or name,
            shelf=Shelf.OFFICIAL,
            path=path,
            etag=f"{identity.mtime_ns:x}-{identity.size_bytes:x}",
            modified_at=datetime.fromtimestamp(identity.mtime_ns / 1e9, UTC),
            size_bytes=identity.size_bytes,
            format=Format.EDITOR,
            kind=kind_of_template(group, template),
            description=as_text(template.get("description")),
            category=as_text(group.get("title")) or as_text(group.get("category")),
            tags=tuple(tag for tag in map(as_text, as_list(template.get("tags"))) if tag),
            models_bytes=size or None,
            min_version=as_text(template.get("minComfyUIVersion")) or None,
            thumbnail=self._thumbnail(name),
        )

    def _thumbnail(self, name: str) -> Path | None:
        pictures = (self._folder / f"{name}-1{suffix}" for suffix in (".webp", ".png", ".jpg"))
        return next((picture for picture in pictures if picture.is_file()), None)
