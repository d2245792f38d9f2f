"""A workflow from the form to the gallery, seen in a real browser: previews, progress, cancelling, deleting, undoing."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import save_screenshot
from tests.e2e.generating import *  # noqa: F403 -- its fixtures
from tests.e2e.test_looks import BETWEEN, SCREENS, SMALL_TARGETS, THEMES, audit, choose_theme
from tests.fakes.comfyui.canned import of_colour
from tests.generation import graphs
from tests.live import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def _open(page: Page, name: str) -> None:
    page.goto("/generate")
    page.get_by_placeholder("Name, tag or kind").fill(name)
    page.wait_for_url(f"**/generate?q={name}")  # the list is that of the search
    page.locator(f"#workflows a[href='/generate?workflow={name.lower()}']").click()
    expect(page.get_by_role("heading", level=2, name=name, exact=True)).to_be_visible()


def test_a_workflow_is_run_with_previews_and_found_in_the_gallery(page: Page, server: LiveServer) -> None:
    """Step, share and picture come without a reload; the result leads to its page, where it is judged and deleted."""
    _open(page, "Slow")
    page.get_by_role("button", name="Run").click()
    stage = page.locator("section[data-generation]")
    expect(stage).to_have_attribute("data-state", "running")
    expect(stage.get_by_alt_text("Live preview")).to_be_visible()
    expect(stage.locator("[data-gen=step]")).to_contain_text("of 12")
    expect(stage.locator("[data-gen=node]")).to_contain_text("The slow one")
    save_screenshot(page, "generate-running")
    expect(stage).to_have_attribute("data-state", "completed")
    expect(page.locator("#latest a")).to_have_count(1)
    expect(page.locator("#announce")).to_contain_text("Slow: done")
    page.reload()
    expect(stage).to_have_attribute("data-state", "completed")
    page.get_by_role("link", name="Open in the gallery").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    item = page.locator("#gallery-item")
    item.get_by_role("button", name="Favourite").click()
    expect(item.get_by_role("button", name="Not a favourite")).to_be_visible()
    with page.expect_response("**/rating"):  # a reload would cut it off
        page.get_by_label("Rating").select_option("4")
    page.reload()
    expect(page.get_by_label("Rating")).to_have_value("4")
    item.get_by_role("button", name="Delete").click()
    expect(item.get_by_text("This lies in the trash.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(item.get_by_text("This lies in the trash.")).to_be_hidden()
    page.get_by_role("link", name="Gallery", exact=True).first.click()
    expect(page.locator("#gallery-list a[id^=tile-]")).to_have_count(1)
    page.get_by_label("Favourites").check()
    expect(page).to_have_url(f"{server.url}/gallery?favourite=true")
    expect(page.locator("#gallery-list a[id^=tile-]")).to_have_count(1)
    page.locator("[name=kind]").select_option("video")
    expect(page.get_by_text("Nothing matches with these filters")).to_be_visible()


def test_a_running_job_is_cancelled(page: Page) -> None:
    """It stops at its next step; the stage says so and offers to try again, and Ctrl Enter runs the form."""
    _open(page, "Endless")
    page.get_by_label("Takes").focus()
    page.keyboard.press("Control+Enter")
    stage = page.locator("section[data-generation]")
    expect(stage).to_have_attribute("data-state", "running")
    page.get_by_role("button", name="Run").click()
    expect(stage).to_have_attribute("data-state", "queued")
    expect(page.locator("ol [data-generation]")).to_have_count(1)
    stage.get_by_role("button", name="Cancel").click()
    expect(stage).to_have_attribute("data-state", "cancelled")
    page.locator("ol [data-generation]").get_by_role("button", name="Cancel").click()
    expect(page.locator("ol [data-generation]")).to_have_count(0)
    expect(stage.get_by_role("button", name="Try again")).to_be_visible()


def test_a_picture_is_sent_with_the_form(page: Page, tmp_path: Path) -> None:
    """It reaches ComfyUI; the address of the job brings it back after a reload."""
    _open(page, "Invert")
    mine = tmp_path / "mine.png"
    mine.write_bytes(of_colour(0, 16, 16, 1).png())
    page.locator("input[type=file]").set_input_files(mine)
    page.get_by_role("button", name="Run").click()
    expect(page.locator("section[data-generation]")).to_have_attribute("data-state", "completed")
    page.reload()
    expect(page.locator("#inputs")).to_contain_text("Choose another file to replace it.")


def test_a_refused_value_is_said_beside_its_field(page: Page) -> None:
    """What was typed stays, and the stage too."""
    _open(page, "Sample")
    page.locator("textarea").fill("still here")
    page.get_by_label("Seed").evaluate("seed => { seed.removeAttribute('pattern'); seed.value = 'lucky'; }")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("must be a whole number")).to_be_visible()
    expect(page.locator("textarea")).to_have_value("still here")
    page.get_by_label("Seed").fill("7")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("section[data-generation]")).to_have_attribute("data-state", "completed")
    expect(page.get_by_text("must be a whole number")).to_be_hidden()


def test_the_gallery_goes_on_while_one_scrolls(page: Page, server: LiveServer) -> None:
    """The next page comes when its place comes into sight."""
    with server.client() as client:
        body = {"prompt": graphs.slow(seconds=0, steps=1), "n": 64, "seed": 1}
        job = client.post("/api/generations", json=body).json()
        while client.get(f"/api/generations/{job['id']}").json()["state"] != "completed":
            pass
    page.goto("/gallery")
    tiles = page.locator("#gallery-list a[id^=tile-]")
    expect(tiles).to_have_count(60)
    tiles.last.scroll_into_view_if_needed()
    expect(tiles).to_have_count(64)
    expect(page.locator("#gallery-more")).to_have_count(0)


def test_nothing_is_wider_than_the_screen_in_between(page: Page) -> None:
    """Tablets and large screens scroll down only."""
    wide: list[str] = []
    for width in BETWEEN:
        page.set_viewport_size({"width": width, "height": 900})
        for url in ("/generate", "/generate?workflow=lacking", "/generate?workflow=sample", "/gallery"):
            page.goto(url)
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            wide += [f"{url} at {width}: {over} px"] if over > 0 else []
    assert wide == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("screen", SCREENS, indirect=True)
def test_both_pages_pass_the_audit(lab: Page, server: LiveServer, screen: str, theme: str) -> None:
    """Empty, with a form, with what is missing, running, failed, and with results: WCAG 2.2 AA, no sideways scrolling."""
    choose_theme(lab, theme)
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        expect(lab.locator("html")).to_have_attribute("data-theme", theme)
        found[name] = audit(lab) + lab.evaluate(SMALL_TARGETS)
        save_screenshot(lab, f"{name}-{theme}-{screen}")

    lab.goto("/gallery")
    look("gallery-empty")
    lab.goto("/generate")
    look("generate-picker")
    lab.goto("/generate?workflow=lacking")
    look("generate-lacking")
    lab.goto("/generate?workflow=sample")
    lab.get_by_role("button", name="Run").click()
    stage = lab.locator("section[data-generation]")
    expect(stage).to_have_attribute("data-state", "completed")
    lab.get_by_text("Advanced").click()
    look("generate-done")
    lab.goto("/generate?workflow=broken")
    lab.get_by_role("button", name="Run").click()
    expect(stage).to_have_attribute("data-state", "failed")
    look("generate-failed")
    lab.goto("/generate?workflow=endless")
    lab.get_by_role("button", name="Run").click()
    expect(stage.get_by_alt_text("Live preview")).to_be_visible()
    look("generate-running")
    lab.goto("/gallery")
    look("gallery")
    lab.locator("#gallery-list a[id^=tile-]").first.click()
    expect(lab.locator("#gallery-item")).to_be_visible()
    look("gallery-item")
    lab.get_by_role("button", name="Delete").click()
    expect(lab.locator(".toast")).to_be_visible()
    look("gallery-trashed")
    assert {name: problems for name, problems in found.items() if problems} == {}
