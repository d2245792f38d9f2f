"""The gallery with mouse and keys: several results at once, filters, what stands beside a result, and using it again."""

from __future__ import annotations

import re
import zipfile

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import save_screenshot
from tests.e2e.generating import *  # noqa: F403 -- its fixtures
from tests.e2e.generating import fill_gallery
from tests.e2e.test_looks import SCREENS, SMALL_TARGETS, THEMES, audit, choose_theme
from tests.live import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def _link(page: Page, number: int) -> Locator:
    return page.locator("#gallery-days").get_by_role("link", name=f"Image: Colour {number}", exact=True)


def test_results_are_selected_judged_and_deleted_by_keys(page: Page, server: LiveServer) -> None:
    """Arrows, X and Space, F, Del with undo, Esc; the focus goes on to the next result."""
    fill_gallery(server, 6)
    page.goto("/gallery")
    tiles = page.locator("#gallery-days .tile")
    expect(tiles).to_have_count(6)
    page.keyboard.press("ArrowRight")
    expect(_link(page, 6)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(_link(page, 5)).to_be_focused()
    page.keyboard.press("f")
    expect(tiles.nth(1)).to_have_attribute("data-favourite", "yes")
    expect(_link(page, 5)).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    bar = page.locator("#gallery-bulk")
    expect(bar).to_contain_text("2 selected")
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Delete")
    expect(tiles).to_have_count(5)
    expect(_link(page, 4)).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(tiles).to_have_count(6)
    _link(page, 6).focus()
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    page.keyboard.press("Delete")
    expect(page.locator(".toast").last).to_contain_text("2 results in the trash")
    expect(tiles).to_have_count(4)
    expect(_link(page, 4)).to_be_focused()
    page.locator(".toast").last.get_by_role("button", name="Undo").click()
    expect(tiles).to_have_count(6)


def test_several_results_are_downloaded_and_marked(page: Page, server: LiveServer) -> None:
    """A range by Shift and a click; one archive; the trash brings back what is ticked there."""
    fill_gallery(server, 5)
    page.goto("/gallery")
    ticks = page.locator("#gallery-days .check")
    ticks.nth(0).check()
    ticks.nth(2).click(modifiers=["Shift"])
    expect(page.locator("#gallery-bulk")).to_contain_text("3 selected")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert len([name for name in archive.namelist() if name.endswith(".png")]) == 3
    page.locator("#bulk-favourite").click()
    expect(page.locator("#gallery-days [data-favourite=yes]")).to_have_count(3)
    expect(page.locator("#gallery-bulk")).to_contain_text("3 selected")
    page.get_by_label("Select all that are shown").check()
    expect(page.locator("#gallery-bulk")).to_contain_text("5 selected")
    page.locator("#bulk-delete").click()
    expect(page.get_by_text("Nothing has been made yet")).to_be_visible()
    page.get_by_label("Trash").check()
    expect(page).to_have_url(f"{server.url}/gallery?trashed=true")
    expect(ticks).to_have_count(5)
    ticks.nth(0).check()
    page.get_by_role("button", name="Bring back").click()
    expect(ticks).to_have_count(4)


def test_filters_lead_to_the_results_beside_each_other(page: Page, server: LiveServer) -> None:
    """Rating narrows the list; on a result the arrow keys walk that list, and Esc goes back to it."""
    fill_gallery(server, 4)
    with server.client() as client:
        ids = [each["id"] for each in client.get("/api/gallery").json()["items"]]
        for item_id in (ids[0], ids[2]):
            client.patch(f"/api/gallery/{item_id}", json={"rating": 4}).raise_for_status()
    page.goto("/gallery")
    page.get_by_label("Rating").select_option("4")
    expect(page).to_have_url(f"{server.url}/gallery?rating=4")
    expect(page.locator("#gallery-days .tile")).to_have_count(2)
    page.locator("#gallery-days .tile a").first.click()
    expect(page).to_have_url(f"{server.url}/gallery/{ids[0]}?rating=4")
    expect(page.get_by_text("1 of 2")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{server.url}/gallery/{ids[2]}?rating=4")
    expect(page.locator("#older")).to_have_count(0)
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Not a favourite")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(f"{server.url}/gallery/{ids[0]}?rating=4")
    page.keyboard.press("Delete")
    expect(page.get_by_text("This lies in the trash.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{server.url}/gallery?rating=4")
    page.get_by_role("link", name="Clear filters").click()
    expect(page.locator("#gallery-days .tile")).to_have_count(3)


def test_a_result_becomes_the_input_of_a_workflow(page: Page, server: LiveServer) -> None:
    """From its page, over the choice of a workflow, to a job that got the picture."""
    fill_gallery(server, 1)
    page.goto("/gallery")
    _link(page, 1).click()
    page.get_by_role("link", name="Use as input").click()
    expect(page.get_by_text("it becomes the picture that the workflow takes")).to_be_visible()
    page.locator("#workflows a[href^='/generate?workflow=sample&']").click()
    expect(page.get_by_text("This workflow takes no picture.")).to_be_visible()
    page.get_by_role("link", name="Change the workflow").click()
    page.get_by_placeholder("Name, tag or kind").fill("Invert")
    page.wait_for_url("**/generate?image=*&q=Invert")
    page.locator("#workflows a[href^='/generate?workflow=invert&']").click()
    expect(page.locator("#inputs img")).to_be_visible()
    page.get_by_role("button", name="Run").click()
    expect(page.locator("section[data-generation]")).to_have_attribute("data-state", "completed")


def test_one_take_is_run_again_with_its_own_seed(page: Page, server: LiveServer) -> None:
    """Of a job with several takes the form gets the inputs, and the seed of the one that was looked at."""
    page.goto("/generate?workflow=sample")
    page.get_by_label("Seed").fill("40")
    page.get_by_label("Takes").fill("2")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("section[data-generation]")).to_have_attribute("data-state", "completed")
    page.goto("/gallery")
    page.locator("#gallery-days .tile a").first.click()
    expect(page.locator("#gallery-item dl").first).to_contain_text("41")
    page.get_by_role("link", name="Change and run").click()
    expect(page.get_by_label("Seed")).to_have_value("41")
    expect(page.get_by_label("Takes")).to_have_value("1")
    expect(page).to_have_url(re.compile("/generate"))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("screen", SCREENS, indirect=True)
def test_the_gallery_passes_the_audit(lab: Page, server: LiveServer, screen: str, theme: str) -> None:
    """With results selected, filters set, in the trash, beside others, and with everything unfolded."""
    fill_gallery(server, 10)
    choose_theme(lab, theme)
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        expect(lab.locator("html")).to_have_attribute("data-theme", theme)
        found[name] = audit(lab) + lab.evaluate(SMALL_TARGETS)
        save_screenshot(lab, f"{name}-{theme}-{screen}")

    lab.goto("/gallery?kind=image,animation")
    lab.locator("#gallery-days .check").nth(1).check()
    lab.locator("#gallery-days .check").nth(4).check()
    expect(lab.locator("#gallery-bulk")).to_contain_text("2 selected")
    lab.locator("#bulk-favourite").click()
    expect(lab.locator("#gallery-days [data-favourite=yes]")).to_have_count(2)
    look("gallery-selected")
    lab.locator("#bulk-delete").click()
    expect(lab.locator("#gallery-days .tile")).to_have_count(8)
    lab.goto("/gallery?trashed=true")
    lab.locator("#gallery-days .check").first.check()
    look("gallery-trash")
    lab.goto("/gallery")
    lab.locator("#gallery-days .tile a").nth(1).click()
    expect(lab.locator("#newer")).to_be_visible()
    for summary in lab.locator("#gallery-item summary").all():
        summary.click()
    look("gallery-beside")
    lab.get_by_role("link", name="Use as input").click()
    expect(lab.get_by_text("it becomes the picture")).to_be_visible()
    look("generate-with-picture")
    assert {name: problems for name, problems in found.items() if problems} == {}
