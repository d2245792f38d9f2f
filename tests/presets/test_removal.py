"""Removing spares what others need, survives a crash at any instant, and can be undone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.presets.catalog import Catalog
from backend.presets.errors import NothingToRestore, RestoreBlocked
from backend.presets.installation import ActiveDownload, Inspector, PresetState, judge_preset
from backend.presets.removal import TRASH_NAME, RemovalPlan, execute_removal, plan_removal, restore
from tests.presets.shelf import Shelf, definition, file, names, partial_bytes, weights

A = weights(b"a")
SHARED = weights(b"shared")


def look(shelf: Shelf, downloading: str | None = None) -> tuple[Catalog, dict[str, PresetState]]:
    store = shelf.store()
    store.refresh()
    facts = Inspector(shelf.paths, shelf.ledger, partial_bytes).look_at_all(store.current.presets)
    job = ActiveDownload("job", "downloading", None)
    return store.current, {
        each.id: judge_preset(each, facts, job if each.id == downloading else None, {})
        for each in store.current.presets
    }


def plan(shelf: Shelf, preset_id: str, downloading: str | None = None) -> RemovalPlan:
    catalog, states = look(shelf, downloading)
    return plan_removal(catalog.get(preset_id), catalog, states, shelf.paths.roots(), shelf.paths.destination)


def trashed(root: Path) -> list[Path]:
    return sorted(root.glob(f"**/{TRASH_NAME}/*/*.trash"))


@pytest.fixture
def two(shelf: Shelf) -> Shelf:
    """Preset a has a.safetensors and shares vae.safetensors with preset b, which also needs b.safetensors."""
    vae = file("vae.safetensors", "vae")
    shelf.ship(definition("a", file("a.safetensors"), vae), definition("b", vae, file("b.safetensors")))
    shelf.put("a.safetensors", A)
    shelf.put("vae.safetensors", SHARED, "vae")
    return shelf


def test_what_an_installed_preset_needs_stays(two: Shelf):
    """A shared file goes only with its last whole owner, and the plan says who holds it."""
    assert names(each.path for each in plan(two, "a").files) == ["a.safetensors", "vae.safetensors"], (
        "b is not installed"
    )
    two.put("b.safetensors", A)
    found = plan(two, "a")
    assert names(each.path for each in found.files) == ["a.safetensors"]
    assert [(each.path.name, each.needed_by) for each in found.kept] == [("vae.safetensors", ("b",))]
    assert "b" in found.kept[0].reason
    assert found.bytes_freed == len(A)


def test_what_is_being_downloaded_for_another_stays(two: Shelf):
    """A preset on its way holds on to files that are there already."""
    assert [each.needed_by for each in plan(two, "a", downloading="b").kept] == [("b",)]


def test_one_file_under_two_category_names_is_one_file(shelf: Shelf):
    """`clip` and `text_encoders` lead to one folder, so removing by one name must not take it from the other."""
    shelf.ship(
        definition("a", file("t5.safetensors", "clip")), definition("b", file("t5.safetensors", "text_encoders"))
    )
    shelf.put("t5.safetensors", A, "text_encoders")
    assert [each.needed_by for each in plan(shelf, "a").kept] == [("b",)]


def test_files_that_are_not_ours_to_move_stay(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A read-only folder, and a place outside every root, are said and left alone."""
    shelf.ship(definition("a", file("a.safetensors")))
    path = shelf.put("a.safetensors", A)
    catalog, states = look(shelf)
    outside = plan_removal(catalog.get("a"), catalog, states, [tmp_path / "elsewhere"], shelf.paths.destination)
    assert [each.reason for each in outside.kept] == ["Lies outside every model folder."]
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert [each.reason for each in plan(shelf, "a").kept] == ["Its folder cannot be written."]
    assert path.exists()


def test_unfinished_transfers_go_unless_another_waits_for_them(two: Shelf):
    """Partial bytes are only deleted when nobody else's download would use them."""
    (two.models / "vae" / "vae.safetensors").unlink()
    two.put("vae.safetensors.part", b"x", "vae")
    assert names(plan(two, "a").partials) == ["vae.safetensors"]
    assert plan(two, "a", downloading="b").partials == ()


def test_removing_and_restoring_is_the_identity(two: Shelf):
    """Same bytes, same places, same times; nothing is left in the trash."""
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in two.models.rglob("*.safetensors")}
    removal_id = execute_removal(plan(two, "a"))
    assert removal_id is not None
    assert list(two.models.rglob("*.safetensors")) == [], "no name in the trash looks like a model"
    assert len(trashed(two.models)) == 2
    assert sorted(restore("a", two.paths.roots())) == sorted(before)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert trashed(two.models) == []
    with pytest.raises(NothingToRestore):
        restore("a", two.paths.roots())


def test_the_last_removal_is_undone_first_unless_one_is_named(shelf: Shelf):
    """Each removal has an id, and the newest counts by default."""
    shelf.ship(definition("a", file("a.safetensors")))
    path = shelf.put("a.safetensors", weights(b"first"))
    first = execute_removal(plan(shelf, "a"))
    shelf.put("a.safetensors", weights(b"second"))
    second = execute_removal(plan(shelf, "a"))
    assert first is not None
    assert second is not None
    assert first < second
    restore("a", shelf.paths.roots())
    assert path.read_bytes() == weights(b"second")
    path.unlink()
    with pytest.raises(NothingToRestore):
        restore("a", shelf.paths.roots(), second)
    restore("a", shelf.paths.roots(), first)
    assert path.read_bytes() == weights(b"first")


def test_a_newer_file_is_never_overwritten(two: Shelf):
    """Restoring all or nothing: what stands in the way is named and stays."""
    execute_removal(plan(two, "a"))
    newer = two.put("vae.safetensors", b"newer", "vae")
    with pytest.raises(RestoreBlocked) as caught:
        restore("a", two.paths.roots())
    assert caught.value.details["blocked"] == [str(newer)]
    assert newer.read_bytes() == b"newer"
    assert not (two.models / "checkpoints" / "a.safetensors").exists()


def test_nothing_to_move_leaves_no_trash(shelf: Shelf):
    """An empty plan makes no folder."""
    shelf.ship(definition("a", file("a.safetensors")))
    assert execute_removal(plan(shelf, "a")) is None
    assert not (shelf.models / TRASH_NAME).exists()


def test_a_file_that_vanishes_meanwhile_is_no_failure(two: Shelf):
    """Gone is what was asked for."""
    made = plan(two, "a")
    made.files[0].path.unlink()
    execute_removal(made)
    assert [path.name for path in restore("a", two.paths.roots())] == ["vae.safetensors"]


@pytest.mark.parametrize(
    "entry",
    [
        {"path": "/etc/cron.d/x", "stored": "0000.trash", "size_bytes": 1},
        {"path": "{root}/../outside.bin", "stored": "0000.trash", "size_bytes": 1},
        {"path": "{root}/vae/x.bin", "stored": "../../vae/vae.safetensors", "size_bytes": 1},
        {"path": "{root}/vae/x.bin", "stored": "9999.trash", "size_bytes": 1},
    ],
)
def test_a_forged_manifest_moves_nothing(two: Shelf, entry: dict[str, Any]):
    """Whoever can write to the volume cannot make Hearth write elsewhere."""
    execute_removal(plan(two, "a"))
    (manifest,) = two.models.glob(f"{TRASH_NAME}/*/manifest.json")
    content = json.loads(manifest.read_text())
    content["files"] = [{**entry, "path": entry["path"].format(root=two.models)}]
    manifest.write_text(json.dumps(content))
    with pytest.raises(NothingToRestore) as caught:
        restore("a", two.paths.roots())
    assert caught.value.details["folders"] == [str(manifest.parent)]
    assert len(trashed(two.models)) == 2
    assert manifest.exists()


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"preset_id": "a"}', '{"preset_id": "a", "files": [1, {"path": 2}]}']
)
def test_a_damaged_manifest_is_no_removal(two: Shelf, content: str):
    """A folder that cannot be understood is left for a person to look at."""
    execute_removal(plan(two, "a"))
    (manifest,) = two.models.glob(f"{TRASH_NAME}/*/manifest.json")
    manifest.write_text(content)
    with pytest.raises(NothingToRestore):
        restore("a", two.paths.roots())
    assert len(trashed(two.models)) == 2


CRASH = """
    import os, signal, sys
    from pathlib import Path
    from backend.presets.removal import RemovableFile, RemovalPlan, execute_removal

    moves, dies_before = 0, int(sys.argv[1])

    def rename(self, target, original=Path.rename):
        global moves
        if moves == dies_before:
            os.kill(os.getpid(), signal.SIGKILL)
        moves += 1
        return original(self, target)

    Path.rename = rename
    root = Path(sys.argv[2])
    files = [root / "checkpoints" / "a.safetensors", root / "vae" / "vae.safetensors"]
    plan = RemovalPlan("a", tuple(RemovableFile(path, root, path.stat().st_size) for path in files), (), ())
    execute_removal(plan)
"""


@pytest.mark.parametrize("dies_before", [0, 1])
def test_a_kill_between_two_renames_loses_nothing(two: Shelf, dies_before: int):
    """After SIGKILL every file is in its place or in the trash, and an undo brings all of them back."""
    command = [sys.executable, "-c", textwrap.dedent(CRASH), str(dies_before), str(two.models)]
    ended = subprocess.run(command, cwd=Path.cwd(), check=False, timeout=60, env={"PYTHONPATH": "."})
    assert ended.returncode == -signal.SIGKILL
    assert len(trashed(two.models)) == dies_before
    assert len(list(two.models.rglob("*.safetensors"))) == 2 - dies_before
    restore("a", two.paths.roots())
    assert (two.models / "checkpoints" / "a.safetensors").read_bytes() == A
    assert (two.models / "vae" / "vae.safetensors").read_bytes() == SHARED


def test_an_undo_that_was_cut_off_is_finished_by_asking_again(two: Shelf):
    """One file back, one still in the trash: the second undo brings the rest."""
    execute_removal(plan(two, "a"))
    stored = trashed(two.models)[0]
    stored.rename(two.models / "checkpoints" / "a.safetensors")
    assert names(restore("a", two.paths.roots())) == ["vae.safetensors"]
    assert (two.models / "checkpoints" / "a.safetensors").read_bytes() == A


@pytest.fixture
def other_volume() -> Iterator[Path]:
    """A folder on another file system, where renames cannot go."""
    import tempfile

    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("this machine has one file system only")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_a_category_on_another_volume_has_its_own_trash(shelf: Shelf, other_volume: Path):
    """A linked category is emptied by rename too, never by a copy."""
    shelf.ship(definition("a", file("a.safetensors", "loras"), file("b.safetensors")))
    loras = shelf.models / "loras"
    if loras.exists():
        loras.rmdir()
    loras.symlink_to(other_volume)
    (other_volume / "a.safetensors").write_bytes(A)
    shelf.put("b.safetensors", A)
    assert execute_removal(plan(shelf, "a")) is not None
    assert len(list(other_volume.glob(f"{TRASH_NAME}/*/*.trash"))) == 1
    assert names(restore("a", shelf.paths.roots())) == ["a.safetensors", "b.safetensors"]
    assert (other_volume / "a.safetensors").read_bytes() == A
