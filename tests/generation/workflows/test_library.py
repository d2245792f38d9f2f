"""The library keeps workflows as plain files that people may edit too, and loses no state of them."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from backend.generation.workflows import (
    Format,
    NotAWorkflow,
    WorkflowLibrary,
    WorkflowNotFound,
)
from backend.generation.workflows.errors import (
    NothingInTrash,
    VersionNotFound,
    WorkflowChanged,
    WorkflowExists,
)
from backend.generation.workflows.library import versions as versions_module
from tests.generation.workflows import carriers
from tests.generation.workflows.desk import PNG, content


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


def test_an_upload_is_kept_under_a_free_name(library: WorkflowLibrary):
    """JSON or a picture; the name comes from the file."""
    png = carriers.png({"workflow": json.dumps(content())})
    assert library.take("ComfyUI_00001_.png", BytesIO(png)).entry.id == "comfyui-00001"
    assert library.take("x/ComfyUI_00001_.png", BytesIO(png)).entry.name == "ComfyUI_00001_ 2"
    assert library.take("flow.json", BytesIO(json.dumps(content()).encode()), folder="In").entry.id == "in~flow"


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


def test_the_oldest_versions_go(library: WorkflowLibrary, monkeypatch: pytest.MonkeyPatch):
    """A bounded number stays; numbers are never used twice."""
    monkeypatch.setattr(versions_module, "MAX_VERSIONS", 3)
    library.create("a", content(0))
    for step in range(1, 6):
        library.save("a", content(step))
    assert [each.number for each in library.versions("a")] == [6, 5, 4]
