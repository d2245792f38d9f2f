"""A look at the disk touches only what may have changed, and never misses a change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.presets.catalog import Catalog
from backend.presets.disk import DiskWatch
from backend.presets.installation import Facts, Inspector, Place
from tests.presets.shelf import Shelf, definition, file, partial_bytes, weights

LONG_AGO_S = 1_000_000_000


class CountingInspector(Inspector):
    """An inspector that remembers where it looked."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf.paths, shelf.ledger, partial_bytes)
        self.looked: list[str] = []

    def look(self, place: Place) -> Facts:
        self.looked.append(place[1])
        return super().look(place)


class Watch:
    """A watch on three presets in two folders, whose folders have not changed for long."""

    def __init__(self, shelf: Shelf) -> None:
        shelf.ship(
            definition("a", file("a.safetensors")),
            definition("b", file("b.safetensors")),
            definition("c", file("c.safetensors", "loras/wan")),
        )
        self.shelf = shelf
        self.store = shelf.store()
        self.store.refresh()
        self.eye = CountingInspector(shelf)
        self.disk = DiskWatch(shelf.paths, self.eye)

    @property
    def catalog(self) -> Catalog:
        return self.store.current

    def settle(self) -> None:
        """Make every folder old, as it is a few seconds after its last change."""
        for folder in (self.shelf.models, *(each for each in self.shelf.models.rglob("*") if each.is_dir())):
            os.utime(folder, (LONG_AGO_S, LONG_AGO_S))
        self.disk.refresh(self.catalog, self.shelf.ledger.version)
        self.eye.looked.clear()

    def looked(self) -> list[str]:
        """Refresh, and tell at which files it looked closely."""
        self.facts = self.disk.refresh(self.catalog, self.shelf.ledger.version)
        seen, self.eye.looked = sorted(self.eye.looked), []
        return seen


@pytest.fixture
def watch(shelf: Shelf) -> Watch:
    return Watch(shelf)


def test_the_first_look_is_complete_and_the_next_is_free(watch: Watch):
    """Nothing changed: no file is looked at, and the answer is the same object."""
    assert watch.looked() == ["a.safetensors", "b.safetensors", "c.safetensors"]
    watch.settle()
    watch.looked()
    before = watch.facts
    assert watch.looked() == []
    assert watch.facts is before


def test_a_new_file_costs_a_look_at_its_folder_only(watch: Watch):
    """Other folders are left alone, and facts that did not change stay the same objects."""
    watch.settle()
    watch.looked()
    before = watch.facts
    watch.shelf.put("a.safetensors", weights())
    assert watch.looked() == ["a.safetensors", "b.safetensors"]
    assert watch.facts["checkpoints", "a.safetensors"].path is not None
    for place in (("checkpoints", "b.safetensors"), ("loras/wan", "c.safetensors")):
        assert watch.facts[place] is before[place]


def test_a_file_overwritten_in_place_is_noticed(watch: Watch):
    """The folder's time does not change then, the file's does."""
    path = watch.shelf.put("a.safetensors", weights())
    watch.settle()
    assert watch.looked() == []
    with path.open("r+b") as open_file:
        open_file.write(b"<html>")
    assert watch.looked() == ["a.safetensors"]
    assert "web page" in (watch.facts["checkpoints", "a.safetensors"].header_problem or "")


def test_a_removed_file_is_noticed(watch: Watch):
    """Gone is absent."""
    path = watch.shelf.put("a.safetensors", weights())
    watch.settle()
    path.unlink()
    watch.looked()
    assert watch.facts["checkpoints", "a.safetensors"] == Facts()


def test_a_folder_that_appears_is_noticed(watch: Watch):
    """A sub-folder that a preset names may be made by anybody at any time."""
    watch.settle()
    assert watch.looked() == []
    watch.shelf.put("c.safetensors", weights(), "loras/wan")
    assert watch.looked() == ["c.safetensors"]
    assert watch.facts["loras/wan", "c.safetensors"].path is not None


def test_a_folder_of_the_same_time_is_not_trusted_while_it_is_fresh(watch: Watch):
    """Two changes within one tick of the clock leave one time, so a fresh folder is looked at each time."""
    watch.settle()
    folder = watch.shelf.models / "checkpoints"
    watch.shelf.put("a.safetensors", weights())
    now = folder.stat().st_mtime_ns
    assert "b.safetensors" in watch.looked()
    watch.shelf.put("b.safetensors", weights())
    os.utime(folder, ns=(now, now))
    assert "b.safetensors" in watch.looked()
    assert watch.facts["checkpoints", "b.safetensors"].path is not None


def test_a_new_root_is_searched(watch: Watch, tmp_path: Path):
    """A volume that is mounted while Hearth runs may bring what was missing."""
    watch.settle()
    assert watch.looked() == []
    extra = tmp_path / "volume"
    (extra / "checkpoints").mkdir(parents=True)
    (extra / "checkpoints" / "a.safetensors").write_bytes(weights())
    os.utime(extra / "checkpoints", (LONG_AGO_S, LONG_AGO_S))
    watch.shelf.paths._extra = (str(extra),)
    watch.shelf.paths.refresh()
    watch.looked()
    assert watch.facts["checkpoints", "a.safetensors"].path == extra / "checkpoints" / "a.safetensors"


def test_a_new_record_is_matched_without_a_look_at_absent_files(watch: Watch):
    """A verification changes what is known about files that are there."""
    path = watch.shelf.put("a.safetensors", weights())
    watch.settle()
    watch.shelf.record_now(path, weights())
    assert watch.looked() == ["a.safetensors"]
    assert watch.facts["checkpoints", "a.safetensors"].record is not None


def test_a_new_catalogue_is_looked_up_whole(watch: Watch):
    """Places of presets that were added are looked at, those of removed ones are forgotten."""
    watch.settle()
    (watch.shelf.shipped / "image" / "b.json").unlink()
    watch.shelf.ship(definition("d", file("d.safetensors", "vae")))
    watch.store = watch.shelf.store()
    watch.store.refresh()
    watch.looked()
    assert sorted(name for _, name in watch.facts) == ["a.safetensors", "c.safetensors", "d.safetensors"]
