"""Generate as pages: the form of a workflow, with and without scripts, and the stage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tests.conftest import client_of, running
from tests.fakes.comfyui import SimulatedComfyUI
from tests.web.conftest import HTMX
from tests.web.generating import documents, simulated
from tests.web.markup import Page

pytestmark = pytest.mark.anyio


@pytest.fixture(name="comfyui")
def simulated_comfyui(tmp_path: Path) -> Iterator[SimulatedComfyUI]:
    with simulated(tmp_path / "comfyui") as server:
        yield server


@pytest.fixture
async def app(
    make_app: Callable[..., FastAPI], catalogue: Path, comfyui: SimulatedComfyUI, anyio_backend: object
) -> AsyncIterator[FastAPI]:
    """An application whose ComfyUI has told its nodes, with workflows of the test's own."""
    application = make_app(preset_catalog_dir=catalogue, comfyui_url=comfyui.url)
    async with running(application):
        services = application.state.lifespan_state["services"]
        for name, document in documents().items():
            await asyncio.to_thread(services.workflows.create, name, document)
        async with asyncio.timeout(20):
            while not services.generation.backends()[0].nodes:
                await asyncio.sleep(0.01)
        yield application


async def _until(condition: Callable[[], Awaitable[bool]], deadline_s: float = 20) -> None:
    async with asyncio.timeout(deadline_s):
        while not await condition():
            await asyncio.sleep(0.02)


async def _id_of(services: Any, name: str) -> str:
    entries = await asyncio.to_thread(services.workflows.entries)
    return next(entry.id for entry in entries if entry.name == name)


async def _show(browser: httpx2.AsyncClient, services: Any, name: str, **more: str) -> Page:
    answer = await browser.get("/generate", params={"workflow": await _id_of(services, name), **more})
    assert answer.status_code == 200, answer.text
    page = Page.read(answer.text)
    assert page.problems == []
    assert (page.foreign_loads(), page.inline_code()) == ([], [])
    return page


def _filled(page: Page, **changes: str) -> dict[str, str]:
    """Return what a browser would send of the form."""
    sent = {
        element["name"]: element.get("value")
        for element in page.elements
        if element.tag == "input" and element.get("name") and element.get("type") not in ("file", "checkbox", "search")
    }
    sent |= {element["name"]: element.text.lstrip("\n") for element in page.all("textarea")}
    inside = ""
    for element in page.elements:
        inside = element.get("name") if element.tag == "select" else inside
        if element.tag == "option" and "selected" in element.attributes:
            sent[inside] = element["value"]
    return {**sent, **changes}


async def _state(services: Any, job_id: str) -> str:
    from backend.generation import Owner

    return str((await services.generation.get(job_id, Owner("owner", "owner", is_admin=True))).state)


def _job_of(answer: httpx2.Response) -> str:
    return answer.headers["location"].rpartition("job=")[2]


async def test_the_picker_lists_and_searches_workflows(browser: httpx2.AsyncClient, services: Any) -> None:
    """Every word must be found; the list alone is answered to itself."""
    page = Page.read((await browser.get("/generate")).text)
    assert page.problems == []
    assert f"/generate?workflow={await _id_of(services, 'Slow')}" in {each.get("href") for each in page.all("a")}
    answer = await browser.get("/generate?q=slow", headers={**HTMX, "HX-Target": "section#generate-picker"})
    part = Page.read(answer.text)
    assert part.elements[0]["id"] == "generate-picker"
    assert "Endless" not in part.by_id("workflows").text
    assert "No workflow matches" in (await browser.get("/generate?q=no-such-thing")).text


async def test_the_form_has_a_control_for_every_input(browser: httpx2.AsyncClient, services: Any) -> None:
    """Prompts as areas, numbers with their bounds, choices as lists, a seed that is random when it is empty."""
    page = await _show(browser, services, "Sample")
    detail = await services.workflow_desk.detail(await _id_of(services, "Sample"))
    names = {f"in.{field['name']}" for field in detail.inputs}
    assert names <= {element.get("name") for element in page.elements}
    by_role = {field["role"]: f"in.{field['name']}" for field in detail.inputs}
    assert page.one("textarea", name=by_role["prompt"]).text.strip() == "a hearth"
    steps = page.one("input", name=by_role["steps"])
    assert (steps["type"], steps["min"], steps["step"], steps["value"]) == ("number", "1", "1", "2")
    assert page.one("input", name=by_role["seed"])["value"] == ""
    assert page.one("select", name=by_role["sampler"])


async def test_running_without_scripts_ends_with_a_result(browser: httpx2.AsyncClient, services: Any) -> None:
    """303 to the page that shows the job; then the result with its way to the gallery, and the same inputs again."""
    page = await _show(browser, services, "Sample")
    answer = await browser.post("/generate", data=_filled(page, n="2"))
    assert answer.status_code == 303, answer.text
    job_id = _job_of(answer)
    await _until(lambda: _is(services, job_id, "completed"))
    shown = Page.read((await browser.get(answer.headers["location"])).text)
    assert shown.problems == []
    assert shown.one("section", data_generation=job_id)["data-state"] == "completed"
    assert shown.by_id("stage-result")["href"].startswith("/gallery/")
    again = Page.read((await browser.get(shown.by_id("stage-reuse")["href"])).text)
    sent = _filled(again)
    assert sent["n"] == "2"
    assert next(value for name, value in sent.items() if "seed" in name).isdigit()


async def _is(services: Any, job_id: str, state: str) -> bool:
    return await _state(services, job_id) == state


async def test_htmx_gets_the_stage_and_the_address_of_the_job(browser: httpx2.AsyncClient, services: Any) -> None:
    """The form stays as it is; the stage is exchanged."""
    page = await _show(browser, services, "Endless")
    answer = await browser.post("/generate", data=_filled(page), headers=HTMX)
    part = Page.read(answer.text)
    assert part.one("hx-partial")["hx-target"] == "#generate-stage"
    assert part.problems == []
    job_id = part.one("section", aria_labelledby="stage-title")["data-generation"]
    assert answer.headers["hx-replace-url"].endswith(f"job={job_id}")
    stage = Page.read((await browser.get(f"/generate/stage?job={job_id}", headers=HTMX)).text)
    assert stage.elements[0]["id"] == "generate-stage"
    cancelled = await browser.post(f"/generate/{job_id}/cancel", headers=HTMX)
    assert cancelled.headers["hx-trigger"] == "hearth:generations"
    await _until(lambda: _is(services, job_id, "cancelled"))


async def test_a_refused_value_comes_back_beside_its_field(browser: httpx2.AsyncClient, services: Any) -> None:
    """With everything that was typed, and 422, both with and without scripts."""
    page = await _show(browser, services, "Sample")
    names = {
        field["role"]: field["name"]
        for field in (await services.workflow_desk.detail(await _id_of(services, "Sample"))).inputs
    }
    wrong = _filled(page, **{f"in.{names['steps']}": "many", f"in.{names['prompt']}": "two\r\nlines"})
    for headers in ({}, HTMX):
        answer = await browser.post("/generate", data=wrong, headers=headers)
        assert answer.status_code == 422
        shown = Page.read(answer.text)
        assert shown.problems == []
        assert shown.one("input", name=f"in.{names['steps']}")["aria-invalid"] == "true"
        assert shown.one("textarea", name=f"in.{names['prompt']}").text.strip() == "two\nlines"


async def test_a_picture_is_sent_kept_and_run(
    browser: httpx2.AsyncClient, services: Any, comfyui: SimulatedComfyUI
) -> None:
    """It reaches ComfyUI; the next run names it without sending it again."""
    from tests.fakes.comfyui.canned import of_colour

    page = await _show(browser, services, "Invert")
    name = next(
        field["name"] for field in (await services.workflow_desk.detail(await _id_of(services, "Invert"))).inputs
    )
    assert page.one("input", type="file")["accept"] == "image/*"
    content = await asyncio.to_thread(lambda: of_colour(0, 16, 16, 1).png())
    files = {f"in.{name}": ("mine.png", content, "image/png")}
    answer = await browser.post("/generate", data=_filled(page), files=files)
    assert answer.status_code == 303, answer.text
    await _until(lambda: _is(services, _job_of(answer), "completed"))
    again = Page.read((await browser.get(answer.headers["location"])).text)
    assert again.one("input", name=f"kept.{name}")["value"].startswith("hearth/")


async def test_what_is_missing_comes_first(browser: httpx2.AsyncClient, services: Any) -> None:
    """Models and nodes by name, before the form."""
    page = await _show(browser, services, "Lacking")
    text = page.by_id("needs").text
    assert "gone.safetensors" in text
    assert "NobodyHasThis" in text


async def test_a_failed_job_says_why_and_is_tried_again(browser: httpx2.AsyncClient, services: Any) -> None:
    """The message of the node, and a button."""
    page = await _show(browser, services, "Broken")
    answer = await browser.post("/generate", data=_filled(page))
    job_id = _job_of(answer)
    await _until(lambda: _is(services, job_id, "failed"))
    shown = Page.read((await browser.get(answer.headers["location"])).text)
    assert "on purpose" in shown.one("div", role="alert").text
    assert shown.one("form", action=f"/generate/{job_id}/retry")
    assert (await browser.post(f"/generate/{job_id}/retry")).status_code == 303


async def test_without_a_comfyui_the_page_says_which_settings_to_make(
    make_app: Callable[..., FastAPI], catalogue: Path
) -> None:
    """Both variables, on both pages; everything else works as before."""
    application = make_app(preset_catalog_dir=catalogue)
    async with running(application):
        token = application.state.lifespan_state["services"].auth.local_token()
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
        async with client_of(application, headers=headers) as client:
            for url in ("/generate", "/gallery", "/generate?workflow=text-to-image"):
                page = Page.read((await client.get(url)).text)
                assert page.problems == []
                main = page.by_id("main").text
                assert "COMFYUI_URL" in main
                assert "COMFYUI_DIR" in main


async def test_what_is_not_there_is_a_page_with_the_next_step(browser: httpx2.AsyncClient) -> None:
    """Unknown jobs and workflows are 404."""
    for url in ("/generate?job=none", "/generate?from=none", "/generate?workflow=none"):
        assert (await browser.get(url)).status_code == 404
