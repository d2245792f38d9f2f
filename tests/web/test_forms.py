"""What the buttons do: the same form answers a browser without scripts and htmx."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from backend.downloads import partial_bytes
from tests.secret_watch import secret
from tests.web.conftest import HTMX
from tests.web.markup import Page

pytestmark = pytest.mark.anyio


async def _until(condition: Callable[[], Awaitable[bool]], deadline_s: float = 20) -> None:
    async with asyncio.timeout(deadline_s):
        while not await condition():
            await asyncio.sleep(0.02)


async def _state(services: Any, job_id: str) -> str:
    return (await services.downloads.get_progress(job_id)).state


async def _endless(browser: httpx2.AsyncClient, services: Any) -> str:
    """Start the download that never ends and return its id."""
    await browser.post("/presets/endless/download")
    job = services.downloads.active_for("endless")
    await _until(lambda: _is_downloading(services, job.id))
    return job.id


async def _is_downloading(services: Any, job_id: str) -> bool:
    return await _state(services, job_id) == "downloading"


async def test_installing_by_form_ends_with_a_file_in_its_folder(browser: httpx2.AsyncClient, services: Any) -> None:
    """303 to the preset's page; the row and page say installed when it is."""
    answer = await browser.post("/presets/small/download")
    assert (answer.status_code, answer.headers["location"]) == (303, "/presets/small")

    async def installed() -> bool:
        return Page.read((await browser.get("/presets/small")).text).by_id("preset-body")["data-status"] == "installed"

    await _until(installed)
    row = Page.read((await browser.get("/presets/small/row", headers=HTMX)).text).one("tr")
    assert row["data-status"] == "installed"
    assert (services.paths.folder("checkpoints") / "small.safetensors").stat().st_size == 200_000


async def test_htmx_is_told_what_changed_and_shows_a_toast(browser: httpx2.AsyncClient) -> None:
    """Events for those who show the preset and the queue; the notice is put beside the others."""
    answer = await browser.post("/presets/small/download", headers=HTMX)
    assert answer.status_code == 200
    assert answer.headers["hx-trigger"].split(", ") == ["hearth:preset-small", "hearth:downloads"]
    part = Page.read(answer.text)
    assert part.one("hx-partial")["hx-target"] == "#toasts"
    assert "Small is in the queue" in part.one("div", role="status").text


async def test_a_job_is_paused_resumed_and_cancelled(browser: httpx2.AsyncClient, services: Any) -> None:
    """Each button of the card does what it says; the page offers the next one."""
    job_id = await _endless(browser, services)
    for action, state, offered in (("pause", "paused", "resume"), ("resume", None, "pause")):
        answer = await browser.post(f"/downloads/{job_id}/{action}", headers=HTMX)
        assert answer.status_code == 204
        assert set(answer.headers["hx-trigger"].split(", ")) == {"hearth:downloads", "hearth:preset-endless"}
        if state:
            assert await _state(services, job_id) == state
        page = Page.read((await browser.get("/downloads")).text)
        assert page.all("form", action=f"/downloads/{job_id}/{offered}")
    cancelled = await browser.post(f"/downloads/{job_id}/cancel")
    assert (cancelled.status_code, cancelled.headers["location"]) == (303, "/downloads")
    page = Page.read((await browser.get("/downloads")).text)
    assert page.by_id(f"job-{job_id}")["data-state"] == "cancelled"
    assert page.all("form", action=f"/downloads/{job_id}/retry")


async def test_cancelled_data_is_kept_until_it_is_deleted(browser: httpx2.AsyncClient, services: Any) -> None:
    """The partial stays beside its destination for another start; the history can delete it."""
    job_id = await _endless(browser, services)
    part = services.paths.folder("checkpoints") / "endless.safetensors.part"

    async def durable() -> bool:
        return bool(await asyncio.to_thread(partial_bytes, part.with_suffix("")))

    await _until(durable)
    await browser.post(f"/downloads/{job_id}/cancel")
    assert part.exists()
    await browser.post(f"/downloads/{job_id}/remove", data={"keep": "no"})
    assert not part.exists()
    assert (await services.downloads.list()).total == 0


async def test_the_whole_queue_is_paused_and_resumed(browser: httpx2.AsyncClient, services: Any) -> None:
    """The page says that the queue stands still, and offers to go on."""
    await _endless(browser, services)
    await browser.post("/downloads/pause")
    page = Page.read((await browser.get("/downloads")).text)
    assert page.all("form", action="/downloads/resume")
    await browser.post("/downloads/resume")
    assert not services.downloads.totals().paused


async def test_jobs_change_places(browser: httpx2.AsyncClient, services: Any) -> None:
    """The buttons carry the place that the job goes to."""
    await browser.post("/downloads/pause")
    for preset in ("small", "pair", "endless"):
        await browser.post(f"/presets/{preset}/download")
    last = services.downloads.active_for("endless")
    page = Page.read((await browser.get("/downloads")).text)
    up = page.one("form", action=f"/downloads/{last.id}/move", hx_swap="none")
    assert up is not None
    await browser.post(f"/downloads/{last.id}/move", data={"position": "0"})
    assert (await services.downloads.get_progress(last.id)).position == 0


async def test_the_history_is_cleared(browser: httpx2.AsyncClient, services: Any) -> None:
    """Entries go, files stay."""
    await browser.post("/presets/small/download")

    async def ended() -> bool:
        return (await services.downloads.list(states=("completed",))).total == 1

    await _until(ended)
    assert "1 entry cleared" in (await browser.post("/downloads/clear", headers=HTMX)).text
    assert (await services.downloads.list()).total == 0
    assert (services.paths.folder("checkpoints") / "small.safetensors").exists()


async def test_the_plan_counts_a_shared_file_once(browser: httpx2.AsyncClient) -> None:
    """Before the click: bytes to fetch for what is ticked."""
    answer = await browser.get("/components/bulk-bar?preset=pair&preset=twin&preset=no-such-preset", headers=HTMX)
    told = " ".join(Page.read(answer.text).one("p").text.split())
    assert told.startswith("2 ticked · 684 KiB to download,")
    assert (await browser.get("/components/bulk-bar", headers=HTMX)).text.strip() == ""


async def test_ticked_presets_are_queued_together(browser: httpx2.AsyncClient, services: Any) -> None:
    """What cannot be queued is told with its reason and stops nothing else."""
    answer = await browser.post("/presets/download", data={"preset": ["pair", "no-such-preset"]}, headers=HTMX)
    assert "1 preset queued, 1 refused" in answer.text
    assert "hearth:untick" in answer.headers["hx-trigger"]
    assert (await services.downloads.list()).total == 1


async def test_removing_says_what_goes_and_what_stays_and_can_be_undone(
    browser: httpx2.AsyncClient, services: Any
) -> None:
    """A file that another installed preset needs stays; the toast carries the way back."""
    await browser.post("/presets/download", data={"preset": ["pair", "twin"]})

    async def installed() -> bool:
        page = Page.read((await browser.get("/presets?status=installed")).text)
        return len(page.all("tr", data_status="installed")) == 2

    await _until(installed)
    plan = Page.read((await browser.get("/presets/pair/remove")).text).by_id("main").text
    assert "1 file, 391\u00a0KiB, go to the trash" in plan
    assert "Needed by Twin" in " ".join(plan.split())
    removed = await browser.post("/presets/pair/remove", headers=HTMX)
    assert "hearth:close-dialog" in removed.headers["hx-trigger"]
    path = services.paths.folder("checkpoints") / "pair.safetensors"
    assert not path.exists()
    undo = next(form for form in Page.read(removed.text).all("form") if "/restore" in form["action"])
    await browser.post(undo["action"], headers=HTMX)
    assert path.exists()


async def test_files_are_verified_and_the_result_is_shown(browser: httpx2.AsyncClient, services: Any) -> None:
    """The check's end reaches the page."""
    await browser.post("/presets/small/download")

    async def checked() -> bool:
        return services.presets.states().states["small"].status == "installed"

    await _until(checked)
    path = services.paths.folder("checkpoints") / "small.safetensors"
    await asyncio.to_thread(_flip_last_byte, path)
    await browser.post("/presets/small/verify")

    async def damaged() -> bool:
        page = Page.read((await browser.get("/presets/small")).text)
        return page.by_id("preset-body")["data-status"] == "damaged"

    await _until(damaged)
    assert Page.read((await browser.get("/presets/small")).text).all("form", action="/presets/small/download")


def _flip_last_byte(path: Any) -> None:
    with path.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)[0]
        file.seek(-1, 2)
        file.write(bytes([last ^ 1]))


async def test_a_url_of_ones_own_goes_into_the_chosen_folder(
    browser: httpx2.AsyncClient, services: Any, model_host: Any
) -> None:
    """The address of any file, with a folder that ComfyUI knows."""
    url = model_host.url("/small.safetensors")
    answer = await browser.post("/downloads/add", data={"url": url, "directory": "loras", "name": "mine.safetensors"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/downloads")
    path = services.paths.folder("loras") / "mine.safetensors"

    async def arrived() -> bool:
        return await asyncio.to_thread(path.exists)

    await _until(arrived)


async def test_an_address_that_cannot_be_used_is_told_in_the_form(browser: httpx2.AsyncClient) -> None:
    """422, what was typed is still there, but not an address with a token in it."""
    answer = await browser.post("/downloads/add", data={"url": "ftp://host/x", "directory": "vae", "name": "x.pt"})
    page = Page.read(answer.text)
    assert answer.status_code == 422
    assert page.all("p", role="alert")
    assert (page.by_id("add-url")["value"], page.by_id("add-name")["value"]) == ("ftp://host/x", "x.pt")
    assert page.one("option", selected="")["value"] == "vae"
    token = secret("token in an address")
    answer = await browser.post(
        "/downloads/add", data={"url": f"https://host.test/x?token={token}", "directory": "vae"}
    )
    assert token not in answer.text


async def test_a_refused_action_becomes_a_toast(browser: httpx2.AsyncClient) -> None:
    """The page stays as it is; the notice says what and why."""
    answer = await browser.post("/downloads/0123/pause", headers=HTMX)
    part = Page.read(answer.text)
    assert answer.status_code == 404
    assert part.one("hx-partial")["hx-target"] == "#toasts"
    assert part.all("div", role="alert")
    assert answer.headers["hx-push-url"] == "false"
