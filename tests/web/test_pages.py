"""Every page: whole for a browser, in part for htmx, sound markup, nothing from another host, nothing inline."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from tests.conftest import client_of
from tests.web.conftest import HTMX
from tests.web.markup import Page

pytestmark = pytest.mark.anyio

PAGES = ["/presets", "/presets?q=pair&category=video&status=absent&sort=-size", "/presets?q=nothing-like-this",
         "/presets/small", "/presets/pair", "/presets/small/remove", "/downloads", "/downloads/add", "/settings"]  # fmt: skip
PARTS = [("/presets", "preset-list"), ("/presets/small", "preset-body"), ("/downloads", "download-queue"),
         ("/downloads/add", "dialog"), ("/presets/small/remove", "dialog")]  # fmt: skip


@pytest.mark.parametrize("url", PAGES)
async def test_a_page_is_sound_and_loads_nothing_from_elsewhere(browser: httpx2.AsyncClient, url: str) -> None:
    """Ids are unique, elements nest, every resource and form stays on this host, and no code stands in the page."""
    answer = await browser.get(url)
    page = Page.read(answer.text)
    assert (answer.status_code, page.problems) == (200, [])
    assert (page.foreign_loads(), page.inline_code()) == ([], [])
    assert len(page.all("h1")) == 1
    assert page.one("html")["data-theme"] == "dark"
    assert page.by_id("main").tag == "main"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("url", PAGES)
async def test_htmx_gets_title_main_part_and_navigation_alone(browser: httpx2.AsyncClient, url: str) -> None:
    """The same template, without the frame; the navigation comes along so that the current page is marked."""
    whole = Page.read((await browser.get(url)).text)
    answer = await browser.get(url, headers=HTMX)
    part = Page.read(answer.text)
    assert not part.all("html")
    assert part.problems == []
    assert part.one("title").text == whole.one("title").text
    assert _words(part) == _words(whole)
    assert [e["hx-target"] for e in part.all("hx-partial")] == ["#sidebar", "#tabbar"]
    assert "HX-Request" in answer.headers["vary"]


def _words(page: Page) -> list[str]:
    """Return the words of the main part; numbers such as free space may change from one request to the next."""
    return re.sub(r"\d+", "#", page.by_id("main").text).split()


@pytest.mark.parametrize("url", PAGES)
async def test_going_back_in_the_history_asks_for_the_whole_page(browser: httpx2.AsyncClient, url: str) -> None:
    """Htmx then says that it wants all of it."""
    headers = {**HTMX, "HX-Request-Type": "full", "HX-History-Restore-Request": "true"}
    assert Page.read((await browser.get(url, headers=headers)).text).one("html")


@pytest.mark.parametrize(("url", "target"), PARTS)
async def test_a_part_that_asks_for_itself_gets_itself(browser: httpx2.AsyncClient, url: str, target: str) -> None:
    """The element that will be exchanged is the root of the answer; a dialog gets what belongs inside it."""
    answer = await browser.get(url, headers={**HTMX, "HX-Target": f"div#{target}"})
    part = Page.read(answer.text)
    assert not part.all("main")
    if target == "dialog":
        assert part.by_id("dialog-title").text
    else:
        assert part.elements[0]["id"] == target


@pytest.mark.parametrize(
    ("below", "url"), [("/downloads", "/downloads/add"), ("/presets/small", "/presets/small/remove")]
)
async def test_a_dialog_shares_no_id_with_the_page_below(browser: httpx2.AsyncClient, below: str, url: str) -> None:
    """A label would otherwise name something on the page behind it."""
    dialog = Page.read((await browser.get(url, headers={**HTMX, "HX-Target": "dialog#dialog"})).text)
    page = Page.read((await browser.get(below)).text)
    assert dialog.ids() & page.ids() == set()


async def test_the_current_page_is_marked_in_both_navigations(browser: httpx2.AsyncClient) -> None:
    """Screen readers hear where they are."""
    page = Page.read((await browser.get("/downloads")).text)
    assert {element["href"] for element in page.all("a", aria_current="page")} == {"/downloads"}
    assert len(page.all("a", aria_current="page")) == 2


async def test_the_navigation_names_only_pages_that_exist(browser: httpx2.AsyncClient) -> None:
    """Every link in the frame opens."""
    page = Page.read((await browser.get("/presets")).text)
    hrefs = {element["href"].partition("#")[0] for element in page.all("a") if element["href"].startswith("/")}
    for href in sorted(hrefs):
        assert (await browser.get(href)).status_code in (200, 303), href


async def test_the_first_page_leads_to_the_presets(browser: httpx2.AsyncClient) -> None:
    """There is no overview yet, so it goes where the work begins."""
    answer = await browser.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/presets")


async def test_with_presets_off_the_first_page_is_the_queue(make_app: Any, password: str) -> None:
    """Nothing points at pages that are switched off."""
    from tests.conftest import running

    app = make_app(enable_preset_manager=False)
    async with running(app):
        token = app.state.lifespan_state["services"].auth.local_token()
        async with client_of(app, headers={"Authorization": f"Bearer {token}", "Accept": "text/html"}) as client:
            assert (await client.get("/")).headers["location"] == "/downloads"
            assert not Page.read((await client.get("/downloads")).text).all("a", href="/presets")
            assert (await client.get("/presets")).status_code == 404


async def test_the_chosen_theme_is_in_the_first_byte(browser: httpx2.AsyncClient) -> None:
    """The cookie wins over the settings, an unknown value does not count, and following the system begins dark."""
    for cookie, theme in (("light", "light"), ("high-contrast", "high-contrast"), ("system", "dark"), ("pink", "dark")):
        html = Page.read(
            (await browser.get("/presets", headers={"Cookie": f"hearth_theme={cookie}; {_session(browser)}"})).text
        )
        assert html.one("html")["data-theme"] == theme


async def test_without_a_cookie_the_setting_decides_the_theme(browser: httpx2.AsyncClient, services: Any) -> None:
    """DASHBOARD_THEME, or what was chosen on the settings page."""
    await services.preferences.change({"dashboard_theme": "light"})
    assert Page.read((await browser.get("/presets")).text).one("html")["data-theme"] == "light"


async def test_an_older_id_of_a_preset_leads_to_its_page(browser: httpx2.AsyncClient) -> None:
    """Links from old notes keep working."""
    answer = await browser.get("/presets/OLD_TWIN")
    assert (answer.status_code, answer.headers["location"]) == (301, "/presets/twin")


@pytest.mark.parametrize("name", ["sidebar", "navbar", "tabbar"])
async def test_a_part_of_the_frame_can_be_asked_for(browser: httpx2.AsyncClient, name: str) -> None:
    """By name, from a list of those that are served."""
    answer = await browser.get(f"/components/{name}")
    assert answer.status_code == 200
    assert not Page.read(answer.text).all("html")


@pytest.mark.parametrize("name", ["layout", "..%2Flayout", "preset-row"])
async def test_other_templates_are_not_served(browser: httpx2.AsyncClient, name: str) -> None:
    """A name is looked up in the list, not in the file system."""
    assert (await browser.get(f"/components/{name}")).status_code == 404


def _session(browser: httpx2.AsyncClient) -> str:
    return f"hearth_session={browser.cookies['hearth_session']}"
