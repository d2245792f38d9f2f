"""The pages about services and the start: complete without scripts, right in what they show, at whatever address."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tests.conftest import client_of, running
from tests.fakes.comfyui import SimulatedComfyUI
from tests.fakes.s6 import S6Tree
from tests.web.conftest import HTMX
from tests.web.markup import Page

pytestmark = pytest.mark.anyio

BOOT = Path(__file__).parents[1] / "system" / "recordings" / "boot_0.3.64.log"
_DEADLINE_S = 20


@pytest.fixture
def tree(tmp_path: Path, workspace: Path) -> Iterator[S6Tree]:
    tree = S6Tree(tmp_path / "run", workspace)
    tree.add("comfyui", f"cat '{BOOT}'; exec sleep 1000")
    tree.add("hearth", "echo '<script>alert(1)</script>'; exec sleep 1000")
    tree.add("jupyter", "exec sleep 1000", down=True)
    with tree:
        yield tree


@pytest.fixture
def comfyui(tmp_path: Path) -> SimulatedComfyUI:
    """Not started yet."""
    return SimulatedComfyUI(tmp_path / "simulated")


@pytest.fixture
async def app(
    make_app: Callable[..., FastAPI], tree: S6Tree, comfyui: SimulatedComfyUI, anyio_backend: object
) -> AsyncIterator[FastAPI]:
    async with AsyncExitStack() as stack:
        application = make_app(hearth_run_dir=tree.run, comfyui_url=(comfyui.url,))
        await stack.enter_async_context(running(application))
        yield application
    await asyncio.to_thread(comfyui.stop)


async def page_with(browser: httpx2.AsyncClient, url: str, text: str, **headers: str) -> httpx2.Response:
    async with asyncio.timeout(_DEADLINE_S):
        while text not in (answer := await browser.get(url, headers=headers)).text:
            await asyncio.sleep(0.02)
    return answer


async def test_the_page_shows_every_service_and_what_failed(browser: httpx2.AsyncClient) -> None:
    """With its state in words, what can be done with it, and a card per custom node."""
    answer = await page_with(browser, "/services", "/venv/bin/pip install timm")
    page = Page.read(answer.text)

    assert page.problems == []
    assert page.by_id("service-comfyui").get("data-state") == "running"
    assert page.by_id("restart-comfyui")["href"] == "/services/comfyui/restart"
    assert page.by_id("start-jupyter").tag == "button"
    assert "stop-hearth" not in answer.text
    assert "/venv/bin/pip install timm" in answer.text


async def test_the_list_can_be_asked_for_alone(browser: httpx2.AsyncClient) -> None:
    """For htmx, which puts it in its place."""
    answer = await browser.get("/services", headers={**HTMX, "HX-Target": "div#services"})

    assert answer.text.lstrip().startswith("<div")
    assert "<html" not in answer.text
    assert "data-log" not in answer.text


async def test_the_log_is_searched_without_scripts(browser: httpx2.AsyncClient) -> None:
    """By text and level; what stands in a log is text, whatever it looks like."""
    await page_with(browser, "/services?log=comfyui", "To see the GUI")
    found = await browser.get("/services", params={"log": "comfyui", "q": "timm", "level": "error"})
    lines = re.findall(r'class="log-text">([^<]*)<', found.text)
    other = await page_with(browser, "/services?log=hearth", "alert(1)")
    none = await browser.get("/services", params={"log": "comfyui", "q": "nowhere"})

    assert lines[:-1] == ["    import timm.models", "ModuleNotFoundError: No module named &#39;timm&#39;"]
    assert "<script>alert" not in other.text
    assert "No line matches" in none.text


async def test_a_restart_is_explained_and_then_done(browser: httpx2.AsyncClient, services: Any) -> None:
    """A page that says what it means, a form, and the way back; in a dialog for htmx."""
    before = await services.processes.get("comfyui")
    page = await browser.get("/services/comfyui/restart")
    assert "Nothing runs or waits" in page.text
    dialog = await browser.get("/services/comfyui/stop", headers={**HTMX, "HX-Target": "dialog#dialog"})
    assert 'id="dialog-title"' in dialog.text
    answer = await browser.post("/services/comfyui/restart")
    assert (answer.status_code, answer.headers["location"]) == (303, "/services?log=comfyui")
    async with asyncio.timeout(_DEADLINE_S):
        while (after := await services.processes.get("comfyui")).pid in (None, before.pid):
            await asyncio.sleep(0.02)
    assert after.state == "running"
    assert (await browser.get("/services/jupyter/stop")).status_code == 409
    assert (await browser.get("/services/nothing/stop")).status_code == 404
    assert (await browser.get("/services/comfyui/explode")).status_code == 422


async def test_the_start_up_page_needs_nothing_beside_itself(browser: httpx2.AsyncClient) -> None:
    """No file, no host: style and script are inside, and the policy lets just those in; without script it reloads."""
    answer = await page_with(browser, "/startup", "ComfyUI-Florence2")
    policy = answer.headers["content-security-policy"]

    assert answer.status_code == 200
    assert re.findall(r'(?:src|href)="(?!/services"|/")[^"]*"', answer.text) == []
    for tag in ("style", "script"):
        [content] = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in answer.text
    assert Page.read(answer.text).problems == []


async def test_in_comfyuis_place_it_says_503_until_comfyui_is_there(
    browser: httpx2.AsyncClient, comfyui: SimulatedComfyUI
) -> None:
    """A browser gets the page, a program an error of the API's shape; then it says that ComfyUI is ready."""
    page = await browser.get("/startup?for=comfyui")
    program = await browser.get("/startup?for=comfyui", headers={"Accept": "application/json"})
    assert (page.status_code, page.headers["retry-after"]) == (503, "1")
    assert "data-stand-in" in page.text
    assert 'href="/services"' not in page.text
    assert (program.status_code, program.json()["error"]["code"]) == (503, "comfyui_starting")

    await asyncio.to_thread(comfyui.start)
    ready = await page_with(browser, "/startup", 'data-startup="ready"')
    assert "<noscript>" not in ready.text


async def test_the_start_up_page_is_not_for_everybody(app: FastAPI) -> None:
    """It shows logs: the sign-in comes first."""
    async with client_of(app) as anonymous:
        answer = await anonymous.get("/startup", headers={"Accept": "text/html"})

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize("theme", ["dark", "light", "high-contrast", "system"])
async def test_the_start_up_page_wears_the_visitors_theme(browser: httpx2.AsyncClient, theme: str) -> None:
    """From the cookie, which other ports of the same name get too."""
    browser.cookies.set("hearth_theme", theme)
    answer = await browser.get("/startup")

    assert f'data-theme-choice="{theme}"' in answer.text
    assert f'data-theme="{"dark" if theme == "system" else theme}"' in answer.text


async def test_the_volume_is_measured_from_the_settings(browser: httpx2.AsyncClient) -> None:
    """When somebody asks; the checks then tell what came out."""
    assert "small files a second" not in (await browser.get("/settings")).text
    answer = await browser.post("/settings/measure")

    assert answer.headers["location"] == "/settings?saved=system#system"
    assert "small files a second" in (await browser.get("/settings")).text
