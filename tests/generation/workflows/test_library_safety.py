"""The library never leaves its folder, and survives crashes, crowds and strange files."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.generation.workflows import (
    WorkflowLibrary,
    WorkflowNotFound,
    WorkflowTooLarge,
)
from backend.generation.workflows.errors import (
    InvalidWorkflowName,
    NothingInTrash,
)
from backend.generation.workflows.library.names import checked_name, name_of_upload, slug, workflow_id
from tests.generation.workflows.desk import content


@pytest.mark.parametrize("place", ["../../evil.json", "/tmp/evil.json", ""])
def test_a_manifest_cannot_lead_out_of_the_library(library: WorkflowLibrary, root: Path, place: str):
    """Somebody may have written it; nothing is moved."""
    library.create("a", content())
    trashed = library.delete("a")
    manifest = root / ".trash" / trashed.trash_id / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"a.json"', json.dumps(place)))
    with pytest.raises(NothingInTrash):
        library.restore(trashed.trash_id)
    assert (manifest.parent / "workflow.json").is_file()


@pytest.mark.parametrize(
    "name", ["", "  ", ".hidden", "a/b", "..", "a\\b", "con", "a\0b", "x" * 300, "what?", "dot.", "nul.txt", "a\nb"]
)
def test_names_that_file_systems_change_are_refused(library: WorkflowLibrary, root: Path, name: str):
    """For workflows and for folders; nothing is made."""
    with pytest.raises(InvalidWorkflowName):
        library.create(name, content())
    if name.strip():
        with pytest.raises(InvalidWorkflowName):
            library.create("a", content(), folder=name)
    assert not root.exists()


def test_a_folder_that_is_a_link_is_not_written_to(library: WorkflowLibrary, root: Path, tmp_path: Path):
    """It may lead anywhere."""
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    with pytest.raises(InvalidWorkflowName):
        library.create("a", content(), folder="out")


@given(st.text(max_size=40))
def test_every_name_has_a_safe_id(name: str):
    """And every upload a usable name."""
    assert slug(name) == slug(slug(name))
    assert not set(slug(name)) & set("/\\. ~")
    assert checked_name(name_of_upload(name + ".json"))
    assert workflow_id(None, name).count("~") == 0


@pytest.mark.parametrize("wanted", ["../secret", "a/../a", "a.json", ".versions", ".trash~x", "A", ""])
def test_an_id_is_looked_up_and_never_a_path(library: WorkflowLibrary, root: Path, wanted: str):
    """What is not in the list does not exist."""
    library.create("a", content())
    (root.parent / "secret.json").write_text(json.dumps(content()))
    for call in (library.get, library.delete, library.versions):
        with pytest.raises(WorkflowNotFound):
            call(wanted)


def test_a_huge_file_is_not_read(library: WorkflowLibrary, root: Path, monkeypatch: pytest.MonkeyPatch):
    """It is listed with the reason."""
    monkeypatch.setattr("backend.generation.workflows.library.folder.MAX_JSON_BYTES", 100)
    root.mkdir()
    (root / "big.json").write_text(json.dumps(content()))
    assert "larger" in (library.entry("big").problem or "")
    with pytest.raises(WorkflowTooLarge):
        library.get("big")


def crash_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let the process die at the n-th rename of a written file."""
    real, count = os.replace, iter(range(100))

    def rename(self: Path, target: Path) -> Path:
        if next(count) == step:
            raise KeyboardInterrupt
        real(self, target)
        return Path(target)

    monkeypatch.setattr(Path, "replace", rename)


@pytest.mark.parametrize("step", [0, 1])
def test_a_crash_leaves_the_old_content_or_the_new(
    library: WorkflowLibrary, root: Path, monkeypatch: pytest.MonkeyPatch, step: int
):
    """And the version number belongs to what is there."""
    library.create("a", content(1))
    with monkeypatch.context() as patch:
        crash_at(patch, step)
        with pytest.raises(KeyboardInterrupt):
            library.save("a", content(2))
    again = WorkflowLibrary(root).get("a")
    assert (again.document.editor, again.version) == (content(1), 1)
    assert WorkflowLibrary(root).save("a", content(2)).document.editor == content(2)
    assert not list(root.rglob("*.tmp"))


def test_saves_from_many_threads_lose_nothing(library: WorkflowLibrary):
    """One change at a time; each is a version."""
    library.create("a", content(0))
    threads = [threading.Thread(target=library.save, args=("a", content(step))) for step in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [library.version("a", each.number).document.editor for each in library.versions("a")]
    assert sorted(json.dumps(each["extra"]) for each in kept if each) == [f'{{"steps": {step}}}' for step in range(9)]
