"""Official templates are a shelf beside one's own workflows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.generation.workflows import (
    Shelf,
    TemplateShelf,
    WorkflowLibrary,
    find_templates,
)
from backend.generation.workflows.errors import (
    WorkflowReadOnly,
)
from tests.generation.workflows.desk import PNG, content


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    folder.mkdir()
    entry = {
        "name": "simple",
        "title": "Simple",
        "description": "d",
        "tags": ["x"],
        "size": 5,
        "minComfyUIVersion": "0.3",
    }
    missing = {"name": "missing"}
    index = [{"title": "Image", "templates": [entry, missing, {"name": "../evil"}]}, {"templates": [entry]}]
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "simple.json").write_text(json.dumps(content()))
    (folder / "simple-1.webp").write_bytes(b"RIFF")
    return folder


def test_official_templates_stand_beside_and_cannot_be_changed(root: Path, templates: Path):
    """Each once, with what the index says."""
    assert find_templates(templates) == templates
    library = WorkflowLibrary(root, TemplateShelf(templates))
    library.create("simple", content(2))
    mine, official = library.entries()
    assert (mine.shelf, official.shelf, official.id) == (Shelf.MINE, Shelf.OFFICIAL, "official~simple")
    assert (official.name, official.category, official.models_bytes, official.min_version) == (
        "Simple",
        "Image",
        5,
        "0.3",
    )
    assert official.thumbnail is not None
    assert library.get("official~simple").document.editor == content()
    assert library.versions("official~simple") == []
    assert [entry.id for entry in library.entries(Shelf.OFFICIAL)] == ["official~simple"]
    changes: list[Callable[[], object]] = [
        lambda: library.save("official~simple", content()),
        lambda: library.rename("official~simple", "x"),
        lambda: library.delete("official~simple"),
        lambda: library.set_thumbnail("official~simple", PNG),
    ]
    for change in changes:
        with pytest.raises(WorkflowReadOnly):
            change()


def test_a_folder_without_index_is_no_shelf(tmp_path: Path):
    """And a shelf whose index is damaged is empty."""
    assert find_templates(tmp_path) is None
    (tmp_path / "index.json").write_text("{")
    assert TemplateShelf(tmp_path).entries() == []
