"""Several results of the gallery at once, without scripts and with them, and what stands beside a result."""

from __future__ import annotations

import io
import zipfile

import httpx2
import pytest

from tests.web.conftest import HTMX
from tests.web.markup import Page
from tests.web.test_gallery_page import _tiles, app  # noqa: F401 -- three pictures in the gallery

pytestmark = pytest.mark.anyio


async def _ids(browser: httpx2.AsyncClient, url: str = "/gallery") -> list[str]:
    return [href.rpartition("/")[2] for href in _tiles(Page.read((await browser.get(url)).text))]


async def test_what_is_ticked_is_downloaded_as_one_file(browser: httpx2.AsyncClient) -> None:
    """A form of a browser without scripts: an archive with just these."""
    first, _, third = await _ids(browser)
    answer = await browser.post("/gallery/zip", data={"id": [first, third]})
    assert answer.headers["content-disposition"] == 'attachment; filename="results.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert len([name for name in archive.namelist() if name.endswith(".png")]) == 2


async def test_what_is_ticked_becomes_a_favourite(browser: httpx2.AsyncClient) -> None:
    """And an ordinary result again; the visitor comes back to the list that was there."""
    first, second, _ = await _ids(browser)
    answer = await browser.post("/gallery/favourite", data={"id": [first, second], "back": "/gallery?kind=image"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/gallery?kind=image")
    assert await _ids(browser, "/gallery?favourite=true") == [first, second]
    answer = await browser.post("/gallery/favourite", data={"id": [first], "value": "no"}, headers=HTMX)
    assert answer.headers["hx-trigger"] == "hearth:gallery"
    assert "1 result no longer marked as favourite" in answer.text
    assert await _ids(browser, "/gallery?favourite=true") == [second]
    elsewhere = await browser.post("/gallery/favourite", data={"id": [first], "back": "https://example.com/"})
    assert elsewhere.headers["location"] == "/"


async def test_deleting_several_is_undone_in_one_step(browser: httpx2.AsyncClient) -> None:
    """From the toast with scripts; without them from the trash, which is shown at once."""
    ids = await _ids(browser)
    answer = await browser.post("/gallery/delete", data={"id": ids[:2]}, headers=HTMX)
    undo = next(each["action"] for each in Page.read(answer.text).all("form"))
    assert await _ids(browser) == ids[2:]
    await browser.post(undo)
    assert await _ids(browser) == ids
    answer = await browser.post("/gallery/delete", data={"id": ids[1:]})
    assert answer.headers["location"] == "/gallery?trashed=true"
    trash = Page.read((await browser.get("/gallery?trashed=true")).text)
    assert [each["value"] for each in trash.all("input", type="checkbox", name="id")] == ids[1:]
    assert not trash.all(id="bulk-delete")
    assert trash.by_id("bulk-restore")["formaction"] == "/gallery/restore"
    assert (await browser.post("/gallery/restore", data={"id": ids[1:]})).headers["location"] == "/gallery"
    assert await _ids(browser) == ids


async def test_nothing_ticked_is_said(browser: httpx2.AsyncClient) -> None:
    """422 with what to do; results that are not there are 404."""
    for url in ("/gallery/zip", "/gallery/delete", "/gallery/favourite", "/gallery/restore"):
        assert (await browser.post(url)).status_code == 422, url
    assert (await browser.post("/gallery/delete", data={"id": "none"})).status_code == 404


async def test_filters_are_offered_from_what_is_there_and_kept_in_the_address(browser: httpx2.AsyncClient) -> None:
    """Day, rating and words narrow; the address says only what is set; a value that is none is refused with a page."""
    first, second, _ = await _ids(browser)
    await browser.post(f"/gallery/{second}/rating", data={"value": "4"})
    assert await _ids(browser, "/gallery?rating=4&q=&kind=&since=2020-01-01") == [second]
    assert await _ids(browser, "/gallery?until=2020-01-01") == []
    assert await _ids(browser, "/gallery?model=none.safetensors") == []
    answer = await browser.get("/gallery?q=colour&kind=&rating=", headers={**HTMX, "HX-Target": "div#gallery-list"})
    assert answer.headers["hx-replace-url"] == "/gallery?q=colour"
    for bad in ("rating=9", "rating=many", "since=yesterday"):
        assert (await browser.get(f"/gallery?{bad}")).status_code == 422, bad
    assert first


async def test_a_result_knows_what_stands_beside_it_in_the_list(browser: httpx2.AsyncClient) -> None:
    """Newer and older under the filters that led there, its place, and the way back to the list."""
    first, second, third = await _ids(browser)
    page = Page.read((await browser.get(f"/gallery/{second}")).text)
    assert page.problems == []
    assert (page.by_id("newer")["href"], page.by_id("older")["href"]) == (f"/gallery/{first}", f"/gallery/{third}")
    assert "2 of 3" in page.by_id("gallery-item").text
    for item in (first, third):
        await browser.post(f"/gallery/{item}/favourite", data={"value": "yes"})
    page = Page.read((await browser.get(f"/gallery/{first}?favourite=true")).text)
    assert not page.all(id="newer")
    assert page.by_id("older")["href"] == f"/gallery/{third}?favourite=true"
    assert page.by_id("to-gallery")["href"] == "/gallery?favourite=true"
    assert page.by_id("gallery-item")["hx-get"] == f"/gallery/{first}?favourite=true"
