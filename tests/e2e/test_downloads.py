"""A preset from the click to the verified file, through pauses, cancels and power cuts, seen in a real browser."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import Content, ModelHost, Slow
from tests.live import LiveServer
from tests.web.presets import MB, offer, write_preset

pytestmark = pytest.mark.e2e


@pytest.fixture
def catalogue(tmp_path: Path, model_host: ModelHost, hugging_face: HuggingFaceHub) -> Path:
    """Something quick, something slow, and something that needs a token."""
    folder = tmp_path / "catalogue"
    write_preset(folder, "quick", [offer(model_host, "quick.safetensors", 300_000)])
    slow = [
        offer(model_host, "slow-a.safetensors", 6 * MB, Slow(300_000)),
        offer(model_host, "slow-b.safetensors", 3 * MB, Slow(300_000), directory="vae"),
    ]
    write_preset(folder, "slow", slow, category="video")
    content = Content.safetensors(400_000, seed=5)
    hugging_face.add("ada/gated", "gated.safetensors", content)
    hugging_face.gate("ada/gated")
    url = hugging_face.public_url("ada/gated", "gated.safetensors")
    gated = {"directory": "checkpoints", "name": "gated.safetensors", "url": url, "size_bytes": 400_000}
    write_preset(folder, "gated", [{**gated, "sha256": content.sha256, "gated": True}])
    return folder


def _models(server: LiveServer) -> Path:
    return server.workspace / "ComfyUI" / "models"


def _bar(page: Page) -> float:
    value = page.locator("#download-queue [data-job] > .jobrow progress").first.get_attribute("value", timeout=1000)
    return float(value or 0)


def test_search_and_filters_narrow_the_list(page: Page, server: LiveServer) -> None:
    """The address follows, going back undoes, and a search without a hit says so."""
    rows = page.locator("#preset-rows tr")
    expect(rows).to_have_count(3)
    page.get_by_label("Search presets").last.fill("slow-b")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(f"{server.url}/presets?q=slow-b")
    expect(page.get_by_placeholder("Name, file or tag")).to_be_focused()
    page.get_by_placeholder("Name, file or tag").fill("no such thing")
    expect(page.get_by_text("No preset matches “no such thing”")).to_be_visible()
    page.get_by_role("link", name="Clear search and filters").click()
    expect(rows).to_have_count(3)
    page.get_by_role("link", name="Video").click()
    expect(rows).to_have_count(1)
    expect(page).to_have_url(f"{server.url}/presets?category=video")
    page.locator("[name=gated]").select_option("true")
    expect(page.get_by_text("No preset matches with these filters")).to_be_visible()
    page.go_back()
    expect(rows).to_have_count(3)


def test_a_preset_is_installed_with_a_moving_bar(page: Page, server: LiveServer) -> None:
    """Bytes, speed and state arrive without a reload, until the file is there, whole and verified."""
    page.locator("#preset-slow").get_by_role("button", name="Install").click()
    expect(page.locator("#preset-slow").get_by_text("Downloading")).to_be_visible()
    page.get_by_role("link", name="slow", exact=False).first.click()
    expect(page).to_have_url(f"{server.url}/presets/slow")
    page.evaluate("document.body.dataset.mark = 'the same page'")
    bar = page.get_by_role("progressbar", name="All files of Slow")
    seen: list[float] = []
    while not page.locator("#preset-body[data-status=installed]").count():
        value = bar.get_attribute("value", timeout=1000) if bar.count() else None
        if value is not None and (not seen or float(value) != seen[-1]):
            seen.append(float(value))
        page.wait_for_timeout(50)
    assert seen == sorted(seen)
    assert len(seen) > 5
    assert page.evaluate("document.body.dataset.mark") == "the same page"
    expect(page.get_by_text("Verified")).to_have_count(2)
    path = _models(server) / "checkpoints" / "slow-a.safetensors"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == Content.safetensors(6 * MB, seed=len(path.name)).sha256
    expect(page.locator("#announce")).to_contain_text("Slow")


def test_several_presets_are_chosen_with_the_plan_in_view(page: Page) -> None:
    """What they take is said before the click, and the ticks are gone after it."""
    page.get_by_label("Tick Quick").check()
    page.get_by_label("Tick Slow").check()
    expect(page.locator("#bulk-bar")).to_contain_text("2 ticked")
    expect(page.locator("#bulk-bar")).to_contain_text("9 MiB to download")
    page.get_by_role("button", name="Install 2").click()
    expect(page.get_by_text("2 presets queued")).to_be_visible()
    expect(page.locator("#bulk-bar")).to_be_empty()
    expect(page.get_by_label("Tick Quick")).not_to_be_checked()
    expect(page.locator("#preset-quick")).to_have_attribute("data-status", "installed")


def test_pausing_resuming_cancelling_and_starting_again(page: Page, server: LiveServer, model_host: ModelHost) -> None:
    """Each takes hold at once, keeps what has arrived, and the last start fetches only the rest."""
    page.locator("#preset-slow").get_by_role("button", name="Install").click()
    page.goto("/downloads")
    job = page.locator("#download-queue [data-job]").first
    expect(job).to_have_attribute("data-state", "downloading")
    expect(page.locator("#section-running")).to_be_visible()
    expect(job.get_by_role("progressbar").first).not_to_have_attribute("value", "0")
    page.get_by_role("button", name="Pause Slow").click()
    expect(page.locator("#section-waiting")).to_contain_text("Paused")
    page.get_by_role("button", name="Resume Slow").click()
    expect(page.locator("#section-running")).to_be_visible()
    model_host.wait_for(lambda seen: sum(request.bytes_sent for request in seen) > MB)
    page.get_by_role("button", name="Cancel Slow").click()
    history = page.locator(".historyrow")
    expect(history).to_contain_text("Cancelled")
    expect(history).to_contain_text("kept")
    model_host.wait_for(lambda seen: all(request.closed_at for request in seen if request.method == "GET"))
    page.get_by_role("button", name="Start again Slow").click()
    expect(page.locator(".historyrow")).to_contain_text("Done", timeout=30_000)
    fetched = sum(request.bytes_sent for request in model_host.requests if request.method == "GET")
    assert fetched < 1.5 * 9 * MB
    assert (_models(server) / "vae" / "slow-b.safetensors").stat().st_size == 3 * MB


def test_the_plug_is_pulled_with_the_page_open(page: Page, server: LiveServer) -> None:
    """The page says that it lost the line and since when, finds it again by itself, and shows the end."""
    page.locator("#preset-slow").get_by_role("button", name="Install").click()
    page.goto("/downloads")
    page.evaluate("document.body.dataset.mark = 'the same page'")
    expect(page.locator("[data-job] progress").first).not_to_have_attribute("value", "0")
    server.kill()
    expect(page.locator("#connection")).to_be_visible()
    expect(page.locator("#connection")).to_contain_text("Reconnecting, numbers from")
    server.start()
    expect(page.locator("#connection")).to_be_hidden()
    expect(page.locator(".historyrow")).to_contain_text("Done", timeout=40_000)
    assert page.evaluate("document.body.dataset.mark") == "the same page"
    path = _models(server) / "checkpoints" / "slow-a.safetensors"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == Content.safetensors(6 * MB, seed=len(path.name)).sha256


def test_a_proxy_that_lets_no_socket_through_leaves_a_page_that_works(page: Page, server: LiveServer) -> None:
    """After three tries the page asks by itself."""
    page.context.route_web_socket("**/ws/live*", lambda socket: socket.close(code=1001))
    page.goto("/downloads")
    expect(page.locator("#connection")).to_be_visible()
    with server.client() as client:
        client.post("/api/downloads/start", json={"preset_id": "quick"}).raise_for_status()
    expect(page.locator(".historyrow")).to_contain_text("Done", timeout=30_000)


def test_a_gated_preset_waits_for_a_token_and_then_goes_on(
    page: Page, server: LiveServer, hugging_face: HuggingFaceHub
) -> None:
    """The page says what is missing; storing the token is all that has to be done."""
    token = hugging_face.account("bob")
    hugging_face.accept("ada/gated", "bob")
    page.locator("#preset-gated").get_by_role("button", name="Install").click()
    expect(page.locator("#preset-gated")).to_contain_text("Needs you")
    page.get_by_role("link", name="Downloads").first.click()
    expect(page.locator("#section-needs")).to_contain_text("Hugging Face")
    page.locator("#section-needs").get_by_role("link", name="Tokens").click()
    expect(page).to_have_url(f"{server.url}/settings#tokens")
    field = page.get_by_label("Hugging Face")
    field.fill(token)
    page.keyboard.press("Enter")
    expect(page.locator("#tokens").get_by_role("status")).to_have_text("Saved")
    page.get_by_role("link", name="Downloads").first.click()
    expect(page.locator(".historyrow")).to_contain_text("Done")


def test_files_are_removed_after_a_look_at_the_plan_and_brought_back(page: Page, server: LiveServer) -> None:
    """The dialog says what goes, the safe button has the focus, and the toast undoes it."""
    page.locator("#preset-quick").get_by_role("button", name="Install").click()
    expect(page.locator("#preset-quick")).to_have_attribute("data-status", "installed")
    page.goto("/presets/quick")
    path = _models(server) / "checkpoints" / "quick.safetensors"
    page.get_by_role("link", name="Remove files").click()
    dialog = page.get_by_role("dialog", name="Remove the files of Quick?")
    expect(dialog).to_contain_text("quick.safetensors")
    expect(dialog.get_by_role("button", name="Keep them")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert path.exists()
    page.get_by_role("link", name="Remove files").click()
    dialog.get_by_role("button", name="Remove 293").click()
    expect(page.locator("#preset-body")).to_have_attribute("data-status", "absent")
    assert not path.exists()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#preset-body")).to_have_attribute("data-status", "installed")
    assert path.exists()


def test_a_url_of_ones_own_is_added_in_a_dialog(page: Page, server: LiveServer, model_host: ModelHost) -> None:
    """A refusal stays in the dialog; what is taken closes it and shows up in the list."""
    page.goto("/downloads")
    page.get_by_role("link", name="Add a URL").click()
    dialog = page.get_by_role("dialog", name="Download from an address")
    dialog.get_by_label("Address of the file").fill(model_host.url("/quick.safetensors"))
    dialog.get_by_label("File name").fill("../evil.safetensors")
    dialog.get_by_role("button", name="Download").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_label("File name").fill("mine.safetensors")
    dialog.get_by_label("Folder").select_option("loras")
    dialog.get_by_role("button", name="Download").click()
    expect(dialog).to_be_hidden()
    expect(page.locator(".historyrow")).to_contain_text("Done")
    assert (_models(server) / "loras" / "mine.safetensors").stat().st_size == 300_000
