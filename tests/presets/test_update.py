"""A newer catalogue comes whole or not at all, and never takes what is the user's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from backend.errors import HearthError
from backend.presets.bundle import Bundle
from backend.presets.catalog import CatalogStore
from backend.presets.errors import CatalogInvalid, CatalogUnreachable, CatalogUrlMissing
from backend.presets.schema import check_aliases, check_preset
from backend.presets.update import update_catalog
from tests.presets.shelf import Shelf, definition, write_catalog

pytestmark = pytest.mark.anyio

URL = "https://catalog.example/presets.zip"


@pytest.fixture
def store(shelf: Shelf) -> CatalogStore:
    """Version 2026.2 with a, b and c; c is overridden by the user."""
    shelf.ship(definition("a"), definition("b"), definition("c"), version="2026.2")
    write_catalog(shelf.user, definition("c", name="Mine"), definition("own"))
    made = shelf.store()
    made.refresh()
    return made


def bundle(version: str, *definitions: dict[str, Any]) -> Bundle:
    return Bundle([check_preset(each) for each in definitions], check_aliases({"version": version}))


def serving(data: bytes) -> Callable[[str, int], Any]:
    async def fetch(url: str, limit_bytes: int) -> bytes:
        assert url == URL
        assert len(data) <= limit_bytes
        return data

    return fetch


@pytest.mark.parametrize("form", ["to_json", "to_zip"])
async def test_an_update_says_what_it_did(store: CatalogStore, form: str):
    """Added, changed, removed, and what of the user's stays in force."""
    newer = bundle("2026.3", definition("a"), definition("b", name="Better"), definition("d"), definition("own"))
    report = await update_catalog(store, URL, serving(getattr(newer, form)()))
    assert report.version == "2026.3"
    assert report.previous_version == "2026.2"
    assert (report.added, report.changed, report.removed, report.kept) == (("d",), ("b",), (), ("own",))
    assert store.current.get("b").name == "Better"
    assert store.current.get("c").name == "Mine"


async def test_a_restart_keeps_the_update(shelf: Shelf, store: CatalogStore):
    """What was taken over is on disk, with its checksum."""
    await update_catalog(store, URL, serving(bundle("2026.3", definition("d")).to_zip()))
    again = shelf.store()
    await asyncio.to_thread(again.refresh)
    assert sorted(again.current.by_id) == ["c", "d", "own"]
    assert again.current.version == "2026.3"


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", bundle("2026.1", definition("a")).to_json(), bundle("2026.3", definition("a")).to_zip()[:-9]],
    ids=["empty", "page", "older", "cut"],
)
async def test_on_any_doubt_nothing_changes(shelf: Shelf, store: CatalogStore, data: bytes):
    """Damaged, foreign and older catalogues leave memory and disk as they are."""
    before = store.current
    with pytest.raises(CatalogInvalid):
        await update_catalog(store, URL, serving(data))
    assert store.current is before
    assert not await asyncio.to_thread(shelf.updated.exists)


async def test_the_same_version_again_is_no_news(store: CatalogStore):
    """Updating twice changes nothing the second time."""
    data = bundle("2026.3", definition("a")).to_json()
    await update_catalog(store, URL, serving(data))
    report = await update_catalog(store, URL, serving(data))
    assert (report.added, report.changed, report.removed) == ((), (), ())


@pytest.mark.parametrize("url", [None, ""])
async def test_without_an_address_the_setting_is_named(store: CatalogStore, url: str | None):
    """The hint says which variable to set."""
    with pytest.raises(CatalogUrlMissing) as caught:
        await update_catalog(store, url, serving(b""))
    assert "PRESET_CATALOG_URL" in caught.value.hint


async def test_an_unreachable_host_is_named(store: CatalogStore):
    """The reason of the fetch is passed on, with the host and without the rest of the address."""

    async def fetch(url: str, limit_bytes: int) -> bytes:
        raise HearthError("The host answers 503.")

    with pytest.raises(CatalogUnreachable) as caught:
        await update_catalog(store, URL, fetch)
    assert "catalog.example" in caught.value.message
    assert "503" in caught.value.message
    assert "presets.zip" not in caught.value.message
