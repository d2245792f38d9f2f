"""The user's definitions are files that people can read, and never leave the workspace's fence."""

from __future__ import annotations

import json

import pytest

from backend.presets.errors import InvalidPreset, PresetShipped
from backend.presets.preset import Origin
from backend.presets.schema import PresetDocument, check_preset
from backend.presets.user import check_places, delete_definition, save_definition
from tests.presets.shelf import Shelf, definition, file, write_catalog


def document(preset_id: str = "mine", directory: str = "checkpoints") -> PresetDocument:
    return check_preset(definition(preset_id, file("m.safetensors", directory)))


@pytest.mark.parametrize("directory", ["checkpoints", "clip", "loras/wan/fast"])
def test_every_file_has_a_place(shelf: Shelf, directory: str):
    """Categories go by ComfyUI's names, old ones too."""
    check_places(document(directory=directory), shelf.paths.destination)


@pytest.mark.parametrize("directory", ["martian_models", "custom_nodes/x"])
def test_a_place_that_comfyui_does_not_have_is_refused(shelf: Shelf, directory: str):
    """The complaint names the file and keeps the hint of the fence."""
    with pytest.raises(InvalidPreset) as caught:
        check_places(document(directory=directory), shelf.paths.destination)
    assert "files.0" in caught.value.message
    assert caught.value.hint


def test_a_definition_is_written_over_the_file_it_came_from(shelf: Shelf):
    """A file that the user named keeps its name; a new definition is named by its id."""
    store = shelf.store()
    path = save_definition(shelf.user, store.current, document())
    assert path == shelf.user / "mine.json"
    path.rename(shelf.user / "my own name.json")
    store.refresh()
    again = save_definition(shelf.user, store.current, document())
    assert again.name == "my own name.json"
    assert json.loads(again.read_text())["id"] == "mine"
    assert [each.name for each in shelf.user.iterdir()] == ["my own name.json"], "no temporary file stays"


def test_removing_an_override_shows_the_shipped_one_again(shelf: Shelf):
    """Only the user's definitions can be removed."""
    store = shelf.ship(definition("a", name="Shipped")).store()
    write_catalog(shelf.user, definition("a", name="Mine"))
    store.refresh()
    delete_definition(store.current, "a")
    store.refresh()
    assert (store.current.get("a").name, store.current.get("a").origin) == ("Shipped", Origin.SHIPPED)
    with pytest.raises(PresetShipped):
        delete_definition(store.current, "a")
