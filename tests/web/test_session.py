"""Signing in and out by form, as a browser without scripts does it."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from backend.web.identity import safe_next
from tests.conftest import client_of
from tests.secret_watch import secret
from tests.web.conftest import HTMX
from tests.web.markup import Page

pytestmark = pytest.mark.anyio

HTML = {"Accept": "text/html", "Origin": "http://hearth.test"}


async def test_signing_in_leads_to_the_page_that_was_asked_for(app: FastAPI, password: str) -> None:
    """303 to the sign-in page and, with the right password, back; the cookie cannot be read by scripts."""
    async with client_of(app, headers=HTML) as client:
        asked = await client.get("/presets/small?x=1")
        assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=/presets/small%3Fx%3D1")
        form = Page.read((await client.get(asked.headers["location"])).text)
        assert (form.problems, form.foreign_loads(), form.inline_code()) == ([], [], [])
        assert form.one("form")["method"] == "post"
        fields = {"password": password, "next": form.one("input", name="next")["value"]}
        entered = await client.post("/login", data=fields)
        assert (entered.status_code, entered.headers["location"]) == (303, "/presets/small?x=1")
        assert "HttpOnly" in entered.headers["set-cookie"]
        assert (await client.get("/presets/small")).status_code == 200
        assert (await client.get("/login?next=/downloads")).headers["location"] == "/downloads"


async def test_a_wrong_password_is_told_beside_the_field(app: FastAPI) -> None:
    """401, the page again, the reason tied to the input, and where the first password was printed."""
    async with client_of(app, headers=HTML) as client:
        answer = await client.post("/login", data={"password": secret("guess"), "next": "/downloads"})
        page = Page.read(answer.text)
    assert answer.status_code == 401
    assert page.by_id("password")["aria-invalid"] == "true"
    assert "password-problem" in page.by_id("password")["aria-describedby"]
    assert page.by_id("password-problem").text.strip() == "That password is not right."
    assert page.one("input", name="next")["value"] == "/downloads"
    assert "printed once" in page.by_id("password-hint").text
    assert "set-cookie" not in answer.headers


async def test_who_guesses_is_told_how_long_to_wait(app: FastAPI) -> None:
    """429 with Retry-After, and the same number of seconds in words."""
    async with client_of(app, headers=HTML) as client:
        for _ in range(20):
            answer = await client.post("/login", data={"password": secret("guess")})
            if answer.status_code == 429:
                break
    assert answer.status_code == 429
    told = " ".join(Page.read(answer.text).by_id("password-problem").text.split())
    assert f"in {answer.headers['retry-after']} s" in told


async def test_another_site_cannot_sign_its_visitors_in(app: FastAPI, password: str) -> None:
    """A form on a foreign page would otherwise sign somebody in to an account that is not theirs."""
    async with client_of(app, headers={**HTML, "Origin": "https://evil.test"}) as client:
        answer = await client.post("/login", data={"password": password})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_signing_out_ends_the_sign_in(browser: httpx2.AsyncClient) -> None:
    """The cookie is cleared, and the old one opens nothing."""
    kept = browser.cookies["hearth_session"]
    answer = await browser.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    again = await browser.get("/presets", headers={"Cookie": f"hearth_session={kept}"})
    assert again.headers["location"] == "/login?next=/presets"


async def test_htmx_is_sent_to_the_sign_in_page_as_a_whole(app: FastAPI) -> None:
    """The page that the visitor looks at is opened again afterwards, not the part that was asked for."""
    headers = {**HTML, **HTMX, "HX-Current-URL": "http://hearth.test/presets?q=wan"}
    async with client_of(app, headers=headers) as client:
        answer = await client.get("/presets/small/row")
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login?next=/presets%3Fq%3Dwan")


@pytest.mark.parametrize(
    "url", ["//evil.test", "/\\evil.test", "https://evil.test", "/a\tb", "", "javascript:1", "/login?next=/x"]
)
def test_only_pages_of_this_site_are_opened_after_signing_in(url: str) -> None:
    """Whatever a browser could read as another site is not followed."""
    assert safe_next(url) == "/"


def test_a_page_with_its_filters_is_opened_after_signing_in() -> None:
    """Path and query are kept."""
    assert safe_next("/presets?q=wan&category=video") == "/presets?q=wan&category=video"


@pytest.mark.parametrize("url", ["/presets/small/download", "/downloads/pause", "/settings/downloads", "/logout"])
async def test_a_form_of_a_foreign_page_changes_nothing(browser: httpx2.AsyncClient, services: Any, url: str) -> None:
    """The cookie alone is not enough for a write."""
    answer = await browser.post(url, headers={"Origin": "https://evil.test"})
    assert answer.status_code == 403
    assert (await services.downloads.list()).total == 0


async def test_a_key_that_may_only_read_opens_pages_and_no_forms(app: FastAPI, services: Any) -> None:
    """Scopes hold for pages as they do for the API."""
    from backend.auth import Scope

    made = await services.auth.create_key("reader", Scope.READ)
    async with client_of(app, headers={"Authorization": f"Bearer {made.key}", "Accept": "text/html"}) as client:
        assert (await client.get("/presets")).status_code == 200
        refused = await client.post("/presets/small/download")
    assert refused.status_code == 403
    assert "Not allowed" in refused.text
