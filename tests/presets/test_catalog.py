"""The snapshot of all presets: layers, older names, and when it is read anew."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.presets.bundle import Bundle
from backend.presets.catalog import natural, version_key
from backend.presets.errors import PresetNotFound, PresetRetired
from backend.presets.preset import Origin
from backend.presets.schema import check_aliases, check_preset
from tests.presets.shelf import Shelf, definition, file, write_catalog


def fetched(shelf: Shelf, version: str, *presets: dict[str, object]) -> None:
    shelf.updated.parent.mkdir(parents=True, exist_ok=True)
    bundle = Bundle([check_preset(each) for each in presets], check_aliases({"version": version}))
    shelf.updated.write_bytes(bundle.to_json())


@pytest.mark.parametrize("asked", ["flux-dev", "FLUX-DEV", "FLUX_DEV_BASIC", "flux_dev_basic", "Flux_Dev_Basic"])
def test_older_names_lead_here_in_any_case(shelf: Shelf, asked: str):
    """Scripts with ids of the predecessor keep working."""
    store = shelf.ship(definition("flux-dev", aliases=["FLUX_DEV_BASIC"])).store()
    store.refresh()
    assert store.current.get(asked).id == "flux-dev"


def test_a_retired_id_says_why_and_what_instead(shelf: Shelf):
    """An id that was given up is not merely unknown."""
    retired = {"OLD_ONE": {"reason": "The files are gone.", "successor": "a"}, "OLD_TWO": {"reason": "A duplicate."}}
    store = shelf.ship(definition("a"), version="1", retired=retired).store()
    store.refresh()
    with pytest.raises(PresetRetired) as caught:
        store.current.get("old_one")
    assert caught.value.details == {"id": "old_one", "reason": "The files are gone.", "successor": "a"}
    assert "a" in caught.value.hint
    with pytest.raises(PresetRetired, match="duplicate"):
        store.current.get("OLD_TWO")
    with pytest.raises(PresetNotFound):
        store.current.get("x" * 5000)


def test_the_user_wins_over_what_ships(shelf: Shelf):
    """An own definition replaces the shipped one of the same id, and claims its aliases first."""
    shelf.ship(definition("a", name="Shipped", aliases=["OLD"]), definition("b"))
    write_catalog(shelf.user, definition("a", name="Mine"), definition("c", aliases=["old"]))
    store = shelf.store()
    store.refresh()
    assert [(each.id, each.origin) for each in store.current.presets] == [
        ("b", Origin.SHIPPED), ("c", Origin.USER), ("a", Origin.USER),
    ]  # fmt: skip
    assert store.current.get("old").id == "c"


@pytest.mark.parametrize(
    ("version", "expected"), [("2026.1", ["a"]), ("2026.2", ["a", "n"]), ("2026.10", ["a", "n"]), ("2025.9", ["a"])]
)
def test_the_newer_catalogue_counts(shelf: Shelf, version: str, expected: list[str]):
    """A fetched catalogue is used until Hearth itself brings a newer one."""
    shelf.ship(definition("a"), version="2026.1.5")
    fetched(shelf, version, definition("a"), definition("n"))
    store = shelf.store()
    store.refresh()
    assert [each.id for each in store.current.presets] == expected


@pytest.mark.parametrize("content", [b"", b"{", b"\x00" * 100])
def test_a_damaged_fetched_catalogue_is_a_warning(shelf: Shelf, content: bytes):
    """A bad file on the volume never takes the shipped presets away."""
    shelf.ship(definition("a"))
    shelf.updated.parent.mkdir(parents=True)
    shelf.updated.write_bytes(content)
    store = shelf.store()
    store.refresh()
    assert [each.id for each in store.current.presets] == ["a"]
    assert "catalog.json is not used" in " ".join(store.current.warnings)


def test_only_a_change_makes_a_new_snapshot(shelf: Shelf):
    """Looking again is free; an edited, added or removed file of the user's is seen."""
    store = shelf.ship(definition("a")).store()
    assert store.refresh()
    first = store.current
    assert not store.refresh()
    assert store.current is first
    write_catalog(shelf.user, definition("mine"))
    assert store.refresh()
    assert store.current.get("mine").origin is Origin.USER
    assert store.current.serial > first.serial
    (shelf.user / "image" / "mine.json").write_text(json.dumps(definition("mine", name="Another name")))
    assert store.refresh()
    assert store.current.get("mine").name == "Another name"
    (shelf.user / "image" / "mine.json").unlink()
    assert store.refresh()
    assert first.presets == store.current.presets


def test_who_shares_a_file_is_known(shelf: Shelf):
    """Deleting by reference count needs to know who refers."""
    common = file("vae.safetensors", "vae")
    store = shelf.ship(definition("a", common), definition("b", common, file("b.bin")), definition("c")).store()
    store.refresh()
    assert store.current.sharing(("vae", "vae.safetensors"), but="a") == ("b",)
    assert store.current.sharing(("checkpoints", "b.bin"), but="b") == ()


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4), st.integers(0, 3))
def test_versions_compare_by_number(numbers: list[int], zeros: int):
    """2026.10 is newer than 2026.9; trailing zeros do not count."""
    text = ".".join(map(str, numbers))
    assert version_key(text) == version_key(text + ".0" * zeros)
    assert version_key(".".join(map(str, [*numbers[:-1], numbers[-1] + 1]))) > version_key(text)


def test_names_sort_as_people_count():
    """Wan 2.10 follows Wan 2.2, and case does not matter."""
    assert sorted(["Wan 2.10", "wan 2.2", "Wan 2", "ACE", "2.5D"], key=natural) == [
        "2.5D", "ACE", "Wan 2", "wan 2.2", "Wan 2.10",
    ]  # fmt: skip
