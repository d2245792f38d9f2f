"""The settings page: what is in force, what can be changed, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from backend.app import create_app
from backend.config import load_settings
from tests.conftest import client_of, running
from tests.secret_watch import secret, watch
from tests.web.markup import Page

pytestmark = pytest.mark.anyio


async def test_download_settings_are_kept_in_the_units_of_the_form(browser: httpx2.AsyncClient, services: Any) -> None:
    """MiB/s and GiB on the page, bytes in the settings; the saved section says so."""
    fields = {"max_parallel_downloads": "2", "download_rate_limit": "1.5", "dashboard_theme": "light"}
    answer = await browser.post("/settings/downloads", data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings?saved=downloads#downloads")
    assert services.preferences.get("download_rate_limit") == 1_572_864
    page = Page.read((await browser.get("/settings?saved=downloads")).text)
    assert page.by_id("download_rate_limit")["value"] == "1.5"
    assert page.by_id("max_parallel_downloads")["value"] == "2"
    assert any("Saved" in element.text for element in page.all("p", role="status"))


async def test_a_setting_of_the_environment_is_locked(browser: httpx2.AsyncClient) -> None:
    """It names its variable and is not sent."""
    field = Page.read((await browser.get("/settings")).text).by_id("disk_reserve")
    assert "disabled" in field.attributes
    assert "name" not in field.attributes
    assert "DISK_RESERVE" in (await browser.get("/settings")).text


@pytest.mark.parametrize(("name", "value"), [("max_parallel_downloads", "200"), ("download_rate_limit", "fast")])
async def test_a_value_that_is_not_allowed_stays_in_the_field(
    browser: httpx2.AsyncClient, services: Any, name: str, value: str
) -> None:
    """422, nothing is stored, what was typed is there to be corrected."""
    before = services.preferences.get(name)
    answer = await browser.post("/settings/downloads", data={name: value})
    page = Page.read(answer.text)
    assert answer.status_code == 422
    assert page.by_id(name)["value"] == value
    assert any(page.all("p", role="alert"))
    assert services.preferences.get(name) == before


async def test_a_token_is_kept_and_never_shown(browser: httpx2.AsyncClient, services: Any) -> None:
    """Only its last characters tell two tokens apart; forgetting removes it."""
    token = secret("hub token", "hf_")
    await browser.post("/settings/tokens/huggingface.co", data={"token": token, "action": "save"})
    assert services.tokens.get("huggingface.co") == token
    page = (await browser.get("/settings")).text
    assert token not in page
    assert f"…{token[-4:]}" in page
    await browser.post("/settings/tokens/huggingface.co", data={"action": "forget"})
    assert services.tokens.get("huggingface.co") is None


async def test_a_token_that_cannot_be_one_is_refused_in_its_section(browser: httpx2.AsyncClient) -> None:
    """The reason stands beside the field."""
    answer = await browser.post("/settings/tokens/huggingface.co", data={"token": " ", "action": "save"})
    assert answer.status_code == 422
    assert Page.read(answer.text).all("p", role="alert")


async def test_an_api_key_is_shown_once_and_can_be_revoked(browser: httpx2.AsyncClient, services: Any) -> None:
    """The answer to the form is the only page that holds it."""
    made = Page.read((await browser.post("/settings/keys", data={"name": "n8n", "scope": "read"})).text)
    key = watch("API key", made.one("code", class_="code mt-1.5").text)
    assert key.startswith("hearth_")
    page = (await browser.get("/settings")).text
    assert key not in page
    assert "n8n" in page
    stored = services.auth.api_keys()[0]
    await browser.post(f"/settings/keys/{stored.id}/revoke")
    assert services.auth.api_keys() == []


async def test_a_key_whose_jobs_end_with_the_socket_is_a_tick(browser: httpx2.AsyncClient, services: Any) -> None:
    """The list tells it of this key alone."""
    for fields in ({"name": "patient"}, {"name": "hasty", "cancel_on_disconnect": "true"}):
        answer = await browser.post("/settings/keys", data={"scope": "generate", **fields})
        watch("API key", Page.read(answer.text).one("code", class_="code mt-1.5").text)

    assert [(key.name, key.cancel_on_disconnect) for key in services.auth.api_keys()] == [
        ("patient", False),
        ("hasty", True),
    ]
    rows = Page.read((await browser.get("/settings")).text).all("tr")
    told = [row.text for row in rows if "jobs end when it disconnects" in row.text]
    assert len(told) == 1
    assert "hasty" in told[0]


async def test_a_key_needs_a_name_and_a_scope_that_exists(browser: httpx2.AsyncClient, services: Any) -> None:
    """Nothing is made otherwise."""
    for fields in ({"name": " ", "scope": "read"}, {"name": "x", "scope": "everything"}):
        assert (await browser.post("/settings/keys", data=fields)).status_code == 422
    assert services.auth.api_keys() == []


async def test_other_browsers_can_be_signed_out(
    browser: httpx2.AsyncClient, app: FastAPI, password: str, services: Any
) -> None:
    """One by one, or all at once; this browser stays."""
    headers = {"Origin": "http://hearth.test"}
    for _ in range(2):
        async with client_of(app, headers=headers) as other:
            await other.post("/login", data={"password": password})
    this = next(
        s for s in services.auth.sessions() if s.created_at == min(x.created_at for x in services.auth.sessions())
    )
    other_id = next(session.id for session in services.auth.sessions() if session.id != this.id)
    await browser.post(f"/settings/sessions/{other_id}/revoke")
    assert other_id not in {session.id for session in services.auth.sessions()}
    await browser.post("/settings/sessions/revoke")
    assert [session.id for session in services.auth.sessions()] == [this.id]


async def test_a_password_of_the_environment_cannot_be_changed_here(browser: httpx2.AsyncClient) -> None:
    """The page says where it is set and shows no form."""
    page = Page.read((await browser.get("/settings")).text)
    assert not page.all("form", action="/settings/password")
    assert "ACCESS_PASSWORD" in next(e for e in page.all("section") if e.get("id") == "password").text


async def test_the_password_is_changed_by_form(workspace: Path) -> None:
    """Twice the same, the present one right; this browser stays signed in."""
    announced: list[str] = []
    app = create_app(load_settings({}, workspace=workspace, disk_reserve=0)[0], announce=announced.append)
    async with running(app), client_of(app, headers={"Origin": "http://hearth.test", "Accept": "text/html"}) as client:
        first, new = watch("first password", announced[0]), secret("new password")
        await client.post("/login", data={"password": first})
        wrong = {"current": first, "new": new, "again": new + "x"}
        assert (await client.post("/settings/password", data=wrong)).status_code == 422
        answer = await client.post("/settings/password", data={"current": first, "new": new, "again": new})
        assert answer.headers["location"] == "/settings?saved=password#password"
        assert (await client.get("/settings")).status_code == 200
        assert (await client.post("/login", data={"password": first})).status_code == 401
