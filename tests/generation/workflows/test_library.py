"""The library keeps workflows as plain files, loses nothing and never leaves its folder."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.generation.workflows import (
    Format,
    NotAWorkflow,
    Shelf,
    TemplateShelf,
    WorkflowLibrary,
    WorkflowNotFound,
    WorkflowTooLarge,
    find_templates,
)
from backend.generation.workflows.errors import (
    InvalidWorkflowName,
    NothingInTrash,
    VersionNotFound,
    WorkflowChanged,
    WorkflowExists,
    WorkflowReadOnly,
)
from backend.generation.workflows.library import versions as versions_module
from backend.generation.workflows.library.names import checked_name, name_of_upload, slug, workflow_id
from tests.generation.workflows import carriers
from tests.generation.workflows.desk import text_to_image

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def content(steps: int = 1) -> dict[str, Any]:
    saved = text_to_image()[0].saved()
    saved["extra"] = {"steps": steps}
    return saved


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "workflows"


@pytest.fixture
def library(root: Path) -> WorkflowLibrary:
    return WorkflowLibrary(root)


def test_a_new_workflow_is_a_plain_file(library: WorkflowLibrary, root: Path):
    """Named as it was called; the id is a slug."""
    stored = library.create("Käse & Brot", content())
    assert stored.entry.id == "kase-brot"
    assert json.loads((root / "Käse & Brot.json").read_text("utf-8")) == content()
    assert (stored.version, stored.entry.format, stored.entry.nodes) == (1, Format.EDITOR, 7)
    assert library.get("kase-brot").document.editor == content()
    assert "path" not in stored.entry.as_dict()


def test_a_graph_is_kept_as_it_is(library: WorkflowLibrary):
    """Without the body that it was wrapped in."""
    graph = {"1": {"class_type": "Save", "inputs": {}}}
    stored = library.create("run", {"prompt": graph, "client_id": "x"})
    assert (stored.entry.format, stored.document.graph) == (Format.SERVER, graph)


def test_an_empty_library_makes_no_folder(library: WorkflowLibrary, root: Path):
    """Looking changes nothing."""
    assert library.entries() == []
    assert library.trash() == []
    assert not root.exists()


@pytest.mark.parametrize("value", [{}, {"nodes": 3}, {"a": 1}])
def test_only_workflows_are_kept(library: WorkflowLibrary, root: Path, value: dict[str, Any]):
    """Nothing is written."""
    with pytest.raises(NotAWorkflow):
        library.create("x", value)
    assert not root.exists()


def test_values_that_json_cannot_have_are_refused(library: WorkflowLibrary):
    """They could not be read again."""
    with pytest.raises(NotAWorkflow):
        library.create("x", {"nodes": [], "extra": float("nan")})


def test_saving_makes_versions_and_the_same_content_none(library: WorkflowLibrary, root: Path):
    """Every state stays readable."""
    library.create("a", content(1))
    assert library.save("a", content(2)).version == 2
    assert library.save("a", content(2)).version == 2
    assert [(each.number, each.is_current) for each in library.versions("a")] == [(2, True), (1, False)]
    assert library.version("a", 1).document.editor == content(1)
    assert json.loads((root / ".versions" / "a" / "2.json").read_text("utf-8")) == content(2)
    with pytest.raises(VersionNotFound):
        library.version("a", 9)


def test_an_old_state_saved_again_is_a_new_version(library: WorkflowLibrary):
    """Going back is a change too."""
    library.create("a", content(1))
    library.save("a", content(2))
    assert library.save("a", content(1)).version == 3


def test_an_edit_on_disk_is_seen_and_kept(library: WorkflowLibrary, root: Path):
    """People may use their own editor; what they wrote becomes a version with the next save."""
    etag = library.create("a", content(1)).entry.etag
    (root / "a.json").write_text(json.dumps(content(5)))
    changed = library.get("a")
    assert (changed.document.editor, changed.version) == (content(5), 2)
    assert changed.entry.etag != etag
    assert library.save("a", content(6)).version == 3
    assert library.version("a", 2).document.editor == content(5)


def test_a_file_that_people_put_there_is_found(library: WorkflowLibrary, root: Path):
    """One folder deep; hidden and deeper ones are not looked into, and what is broken says why."""
    (root / "Faces" / "deep").mkdir(parents=True)
    (root / "My Flow.json").write_text(json.dumps(content()))
    (root / "Faces" / "old.json").write_text(json.dumps(content()))
    (root / "Faces" / "deep" / "x.json").write_text(json.dumps(content()))
    (root / ".hidden.json").write_text(json.dumps(content()))
    (root / "broken.json").write_text("{")
    (root / "my-flow.json").write_text(json.dumps(content()))
    found = {entry.id: entry for entry in library.entries()}
    assert set(found) == {"my-flow", "my-flow-2", "broken", "faces~old"}
    assert found["faces~old"].folder == "Faces"
    assert (found["broken"].format, bool(found["broken"].problem)) == (None, True)
    with pytest.raises(NotAWorkflow):
        library.get("broken")


def test_a_change_that_somebody_else_made_is_not_overwritten(library: WorkflowLibrary):
    """The caller says which state it knew."""
    etag = library.create("a", content(1)).entry.etag
    library.save("a", content(2), expected=etag)
    with pytest.raises(WorkflowChanged):
        library.save("a", content(3), expected=etag)
    assert library.get("a").document.editor == content(2)


def test_two_workflows_never_share_a_name(library: WorkflowLibrary):
    """Also when only the spelling differs."""
    library.create("My Flow", content())
    with pytest.raises(WorkflowExists):
        library.create("my flow", content())
    library.create("My Flow", content(), folder="Faces")


def test_a_renamed_workflow_takes_everything_along(library: WorkflowLibrary, root: Path):
    """File, picture and versions."""
    library.create("a", content(1))
    library.save("a", content(2))
    library.set_thumbnail("a", PNG)
    moved = library.rename("a", "B", folder="Box")
    assert moved.entry.id == "box~b"
    assert moved.version == 2
    assert moved.entry.thumbnail == root / "Box" / "B.png"
    assert not (root / "a.json").exists()
    with pytest.raises(WorkflowNotFound):
        library.get("a")


def test_a_rename_takes_no_other_place(library: WorkflowLibrary):
    """Nothing is moved."""
    library.create("a", content(1))
    library.create("b", content(2))
    with pytest.raises(WorkflowExists):
        library.rename("a", "B")
    assert library.get("a").document.editor == content(1)
    assert library.rename("a", "A").entry.name == "A"


def test_a_deleted_workflow_comes_back_whole(library: WorkflowLibrary, root: Path):
    """With picture and versions, by its old id or the id in the trash."""
    library.create("a", content(1), folder="Box")
    library.save("box~a", content(2))
    library.set_thumbnail("box~a", PNG)
    trashed = library.delete("box~a")
    assert library.entries() == []
    assert [(each.trash_id, each.workflow_id) for each in library.trash()] == [(trashed.trash_id, "box~a")]
    entry = library.restore("box~a")
    assert (entry.id, entry.thumbnail) == ("box~a", root / "Box" / "a.png")
    assert [each.number for each in library.versions("box~a")] == [2, 1]
    assert library.trash() == []
    with pytest.raises(NothingInTrash):
        library.restore("box~a")


def test_nothing_is_restored_over_another_workflow(library: WorkflowLibrary):
    """The trash keeps it."""
    library.create("a", content(1))
    trashed = library.delete("a")
    library.create("a", content(2))
    with pytest.raises(WorkflowExists):
        library.restore(trashed.trash_id)
    assert library.get("a").document.editor == content(2)
    assert len(library.trash()) == 1


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


def test_an_upload_is_kept_under_a_free_name(library: WorkflowLibrary):
    """JSON or a picture; the name comes from the file."""
    png = carriers.png({"workflow": json.dumps(content())})
    assert library.take("ComfyUI_00001_.png", BytesIO(png)).entry.id == "comfyui-00001"
    assert library.take("x/ComfyUI_00001_.png", BytesIO(png)).entry.name == "ComfyUI_00001_ 2"
    assert library.take("flow.json", BytesIO(json.dumps(content()).encode()), folder="In").entry.id == "in~flow"


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


@pytest.mark.parametrize(
    ("data", "suffix"), [(PNG, ".png"), (b"\xff\xd8\xff\xe0", ".jpg"), (b"RIFF\0\0\0\0WEBPVP8 ", ".webp")]
)
def test_one_thumbnail_stands_beside_the_workflow(library: WorkflowLibrary, root: Path, data: bytes, suffix: str):
    """A new one takes the place of the old one, of whatever kind."""
    library.create("a", content())
    library.set_thumbnail("a", PNG)
    library.set_thumbnail("a", data)
    assert library.entry("a").thumbnail == root / f"a{suffix}"
    assert len(list(root.glob("a.*"))) == 2
    with pytest.raises(NotAWorkflow):
        library.set_thumbnail("a", b"<svg>")


def test_a_huge_file_is_not_read(library: WorkflowLibrary, root: Path, monkeypatch: pytest.MonkeyPatch):
    """It is listed with the reason."""
    monkeypatch.setattr("backend.generation.workflows.library.folder.MAX_JSON_BYTES", 100)
    root.mkdir()
    (root / "big.json").write_text(json.dumps(content()))
    assert "larger" in (library.entry("big").problem or "")
    with pytest.raises(WorkflowTooLarge):
        library.get("big")


def test_the_oldest_versions_go(library: WorkflowLibrary, monkeypatch: pytest.MonkeyPatch):
    """A bounded number stays; numbers are never used twice."""
    monkeypatch.setattr(versions_module, "MAX_VERSIONS", 3)
    library.create("a", content(0))
    for step in range(1, 6):
        library.save("a", content(step))
    assert [each.number for each in library.versions("a")] == [6, 5, 4]


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
