"""The gallery as pages: days, filters, the page that follows, one result, and what is done with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from backend.generation import NewGeneration, Owner
from tests.conftest import running
from tests.generation import graphs
from tests.web.conftest import HTMX
from tests.web.generating import simulated
from tests.web.markup import Page

pytestmark = pytest.mark.anyio

OWNER = Owner("owner", "owner", is_admin=True)


@pytest.fixture
async def app(
    make_app: Callable[..., FastAPI], catalogue: Path, tmp_path: Path, anyio_backend: object
) -> AsyncIterator[FastAPI]:
    """An application with three pictures in its gallery."""
    with simulated(tmp_path / "comfyui") as comfyui:
        application = make_app(preset_catalog_dir=catalogue, comfyui_url=comfyui.url)
        async with running(application):
            generation = application.state.lifespan_state["services"].generation
            for color in (1, 2, 3):
                job = await generation.submit(NewGeneration(prompt=graphs.quick(color), title=f"Colour {color}"), OWNER)
                async with asyncio.timeout(20):
                    while (await generation.get(job.id, OWNER)).state != "completed":
                        await asyncio.sleep(0.01)
            yield application


async def _read(browser: httpx2.AsyncClient, url: str, **headers: str) -> Page:
    answer = await browser.get(url, headers=headers)
    assert answer.status_code == 200, answer.text
    page = Page.read(answer.text)
    assert (page.problems, page.foreign_loads(), page.inline_code()) == ([], [], [])
    return page


def _tiles(page: Page) -> list[str]:
    """Return the addresses of the results that are shown."""
    return [each["href"].partition("?")[0] for each in page.all("a") if each.get("id").startswith("tile-")]


async def test_the_gallery_shows_what_was_made_by_day(browser: httpx2.AsyncClient) -> None:
    """Newest first, with a heading, and every tile says what it is."""
    page = await _read(browser, "/gallery")
    assert len(_tiles(page)) == 3
    labels = [each["aria-label"] for each in page.all("a") if each.get("id").startswith("tile-")]
    assert labels == ["Image: Colour 3", "Image: Colour 2", "Image: Colour 1"]
    assert [each for each in page.all("h2") if each.get("id").startswith("day-")]


async def test_a_part_of_the_gallery_is_answered_to_itself(browser: httpx2.AsyncClient) -> None:
    """The list alone, with its filters."""
    page = await _read(browser, "/gallery?q=colour+2", **HTMX, **{"HX-Target": "div#gallery-list"})
    assert page.elements[0]["id"] == "gallery-list"
    assert len(_tiles(page)) == 1


async def test_filters_narrow_and_say_so_when_nothing_is_left(browser: httpx2.AsyncClient) -> None:
    """By kind, by words, by favourites; an unknown kind is refused with a page."""
    assert len(_tiles(await _read(browser, "/gallery?kind=image"))) == 3
    assert "Nothing matches" in (await _read(browser, "/gallery?kind=video")).by_id("main").text
    item = _tiles(await _read(browser, "/gallery"))[1]
    await browser.post(f"{item}/favourite", data={"value": "yes"})
    assert _tiles(await _read(browser, "/gallery?favourite=true")) == [item]
    assert (await browser.get("/gallery?kind=nonsense")).status_code == 422


async def test_the_next_page_is_put_behind_the_first(
    browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link without scripts, a request of its own with them; a day that goes on gets no second heading."""
    monkeypatch.setattr("backend.web.gallery._PAGE", 2)
    first = await _read(browser, "/gallery")
    more = first.by_id("gallery-more")
    assert first.all("a", href=more["hx-get"])
    answer = await browser.get(more["hx-get"], headers={**HTMX, "HX-Target": "p#gallery-more"})
    behind = Page.read(answer.text)
    assert set(behind.problems) == {"form=gallery-bulk of <input> points nowhere"}  # it is on the page already
    assert not behind.all("main")
    assert len(set(_tiles(first) + _tiles(behind))) == 3
    assert not behind.all("h2")
    assert not behind.all(id="gallery-more")


async def test_one_result_with_how_it_came_about(browser: httpx2.AsyncClient) -> None:
    """Its file, its facts, and a way to make it again."""
    item = _tiles(await _read(browser, "/gallery"))[0]
    page = await _read(browser, item)
    assert page.one("img", alt="Colour 3")["src"] == f"/api{item}/file"
    assert "16 × 16" in page.by_id("main").text
    assert (await browser.get(f"/api{item}/file")).status_code == 200
    answer = await browser.post("/generate/again", data={"result": item.rpartition("/")[2]})
    assert answer.headers["location"].startswith("/generate?job=")
    part = await _read(browser, item, **HTMX, **{"HX-Target": "div#gallery-item"})
    assert part.elements[0]["id"] == "gallery-item"


async def test_a_result_is_judged(browser: httpx2.AsyncClient) -> None:
    """Favourite and rating by form, and by htmx with the event that shows it anew."""
    item = _tiles(await _read(browser, "/gallery"))[0]
    answer = await browser.post(f"{item}/rating", data={"value": "4"})
    assert (answer.status_code, answer.headers["location"]) == (303, item)
    answer = await browser.post(f"{item}/favourite", data={"value": "yes"}, headers=HTMX)
    assert answer.headers["hx-trigger"] == "hearth:gallery"
    page = await _read(browser, item)
    assert "selected" in page.one("option", value="4").attributes
    assert page.by_id("favourite").text.strip() == "Not a favourite"
    assert (await browser.post(f"{item}/rating", data={"value": "9"})).status_code == 422


async def test_deleting_is_undone_from_the_toast_and_from_the_page(browser: httpx2.AsyncClient) -> None:
    """The page of a result in the trash says so; undoing brings it back into the list."""
    item = _tiles(await _read(browser, "/gallery"))[0]
    answer = await browser.post(f"{item}/delete", headers=HTMX)
    undo = next(each["action"] for each in Page.read(answer.text).all("form"))
    assert len(_tiles(await _read(browser, "/gallery"))) == 2
    page = await _read(browser, item)
    assert page.one("form", action=undo)
    assert not page.all(id="delete")
    back = await browser.post(undo)
    assert (back.status_code, back.headers["location"]) == (303, item)
    assert len(_tiles(await _read(browser, "/gallery"))) == 3
    assert (await browser.post(f"{item}/delete")).headers["location"] == item


async def test_a_result_that_is_not_there_is_a_page(browser: httpx2.AsyncClient) -> None:
    """404 with the next step."""
    answer = await browser.get("/gallery/none")
    assert answer.status_code == 404
    assert Page.read(answer.text).one("h1").text == "Not found"


async def test_a_key_that_may_only_look_changes_nothing(
    browser: httpx2.AsyncClient, app: FastAPI, services: Any
) -> None:
    """403 for what makes, judges or deletes."""
    from tests import secret_watch
    from tests.conftest import client_of

    made = await browser.post("/api/auth/keys", json={"name": "looker", "scope": "read"})
    key = secret_watch.watch("API key", made.json()["key"])
    async with client_of(app, headers={"X-API-Key": key, "Accept": "text/html"}) as looker:
        assert (await looker.get("/gallery")).status_code == 200
        for url in (
            "/gallery/x/delete",
            "/gallery/x/favourite",
            "/gallery/restore/x",
            "/generate",
            "/generate/x/cancel",
        ):
            assert (await looker.post(url)).status_code == 403, url
