"""Errors are a page for people, a toast for htmx, and JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tests.conftest import client_of, running
from tests.web.conftest import HTMX
from tests.web.markup import Page

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("url", "code"), [("/no-such-page", None), ("/presets/none", "preset_not_found")])
async def test_a_person_gets_a_page_with_the_next_step(browser: httpx2.AsyncClient, url: str, code: str | None) -> None:
    """404 with a way on; hints that speak of endpoints are for programs."""
    answer = await browser.get(url)
    page = Page.read(answer.text)
    assert answer.status_code == 404
    assert (page.problems, page.foreign_loads(), page.inline_code()) == ([], [], [])
    assert page.one("h1").text == "Not found"
    assert "/api/" not in answer.text
    assert page.all("a", href="/")
    assert code is None or code in answer.text


async def test_a_program_gets_json_under_api(client: httpx2.AsyncClient) -> None:
    """The pages change nothing about the API."""
    for headers in ({}, {"Accept": "text/html"}):
        answer = await client.get("/api/no-such-endpoint", headers=headers)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "no_such_page"


async def test_a_page_asked_for_as_json_answers_json(browser: httpx2.AsyncClient) -> None:
    """Who names application/json alone is a program."""
    answer = await browser.get("/presets/none", headers={"Accept": "application/json"})
    assert answer.json()["error"]["code"] == "preset_not_found"


async def test_a_link_that_leads_nowhere_shows_a_page_and_not_a_toast(browser: httpx2.AsyncClient) -> None:
    """Htmx follows links too; then the visitor wanted to go there."""
    answer = await browser.get("/presets/none", headers={**HTMX, "HX-Boosted": "true"})
    assert Page.read(answer.text).by_id("main").tag == "main"


async def test_a_retired_preset_names_its_successor(make_app: Any, catalogue: Path) -> None:
    """410, the reason, and a button to what replaces it."""
    retired = {"old-one": {"reason": "The files are gone.", "successor": "small"}}
    (catalogue / "aliases.json").write_text(json.dumps({"version": "1", "retired": retired}), "utf-8")
    app = make_app(preset_catalog_dir=catalogue)
    async with running(app):
        token = app.state.lifespan_state["services"].auth.local_token()
        async with client_of(app, headers={"Authorization": f"Bearer {token}", "Accept": "text/html"}) as client:
            answer = await client.get("/presets/old-one")
    page = Page.read(answer.text)
    assert answer.status_code == 410
    assert page.one("h1").text == "This preset was retired"
    assert page.all("a", href="/presets/small")


async def test_a_field_that_has_no_number_becomes_a_toast(browser: httpx2.AsyncClient) -> None:
    """What the form's own checks would have caught is answered as an error of the form."""
    answer = await browser.post("/downloads/0123/move", data={"position": "first"}, headers=HTMX)
    assert answer.status_code == 422
    assert Page.read(answer.text).one("hx-partial")["hx-target"] == "#toasts"


async def test_what_nobody_expected_is_told_without_a_word_about_the_inside(app: FastAPI, services: Any) -> None:
    """500 with the request's id for the log; no traceback on the page."""

    @app.get("/broken", include_in_schema=False)
    async def broken() -> None:
        raise RuntimeError("the inside")

    headers = {"Authorization": f"Bearer {services.auth.local_token()}", "Accept": "text/html"}
    async with client_of(app, headers=headers) as client:
        answer = await client.get("/broken")
    assert answer.status_code == 500
    assert "the inside" not in answer.text
    assert Page.read(answer.text).one("h1").text == "Something went wrong"
    assert answer.headers["x-request-id"]


async def test_without_the_dashboard_the_first_page_points_to_the_documentation(make_app: Any) -> None:
    """ENABLE_DASHBOARD=false: no page, no static file, one sentence of JSON."""
    app = make_app(enable_dashboard=False)
    async with running(app), client_of(app) as client:
        assert (await client.get("/")).json()["documentation"] == "/docs"
        for url in ("/login", "/presets", "/static/manifest.json"):
            assert (await client.get(url)).status_code == 404
