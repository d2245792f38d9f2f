"""The form of a workflow and what is watched while it runs: sizes, search in long lists, nodes; and the setting."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import save_screenshot
from tests.e2e.generating import *  # noqa: F403 -- its fixtures
from tests.e2e.test_looks import SCREENS, SMALL_TARGETS, THEMES, audit, choose_theme
from tests.generation import graphs
from tests.live import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_a_size_is_chosen_by_its_shape(page: Page) -> None:
    """It goes into the two fields; what is typed there is marked when it is one of the shapes."""
    page.goto("/generate?workflow=sample")
    sizes = page.get_by_role("group", name="Sizes of about the same area")
    expect(sizes.get_by_role("button", pressed=True)).to_have_text("Square64 × 64")
    sizes.get_by_role("button", name="Wide").click()
    expect(page.get_by_label("Width")).to_have_value("88")
    expect(page.get_by_label("Height")).to_have_value("48")
    expect(sizes.get_by_role("button", pressed=True)).to_have_text("Wide88 × 48")
    page.get_by_label("Width").fill("96")
    expect(sizes.get_by_role("button", pressed=True)).to_have_count(0)
    page.get_by_role("button", name="Run").click()
    expect(page.locator("section[data-generation]")).to_have_attribute("data-state", "completed")
    page.get_by_role("link", name="Open in the gallery").click()
    expect(page.locator("#gallery-item")).to_contain_text("96 × 48")


def test_a_long_list_is_searched(page: Page) -> None:
    """By words, with keys alone; Esc takes it back, and the value that was chosen is the one that runs."""
    page.goto("/generate?workflow=sample")
    page.get_by_text("Advanced").click()
    sampler = page.get_by_role("combobox", name="Sampler")
    expect(sampler).to_have_value("euler")
    sampler.click()
    expect(page.get_by_role("listbox", name="Sampler")).to_be_visible()
    sampler.fill("dpmpp sde")
    options = page.get_by_role("listbox", name="Sampler").get_by_role("option")
    expect(options.first).to_contain_text("sde")
    page.keyboard.press("Escape")
    expect(sampler).to_have_value("euler")
    sampler.fill("heun")
    page.keyboard.press("Enter")
    expect(sampler).to_have_value("heun")
    expect(page.get_by_role("listbox")).to_be_hidden()
    sampler.fill("nothing of the sort")
    expect(options).to_have_text("Nothing matches")
    sampler.blur()
    expect(sampler).to_have_value("heun")
    with page.expect_request(lambda request: request.method == "POST" and request.url.endswith("/generate")) as sent:
        page.get_by_role("button", name="Run").click()
    assert "heun" in (sent.value.post_data or "")


def test_the_nodes_are_shown_as_they_are(page: Page) -> None:
    """What runs and what waits, from the server at first and by the socket afterwards."""
    page.goto("/generate?workflow=endless")
    page.get_by_role("button", name="Run").click()
    nodes = page.locator("ol.nodes li")
    expect(nodes).to_have_count(2)
    expect(nodes.nth(0)).to_have_attribute("data-state", "running")
    expect(nodes.nth(1)).to_have_attribute("data-state", "waiting")
    expect(nodes.nth(0)).to_contain_text("The slow one")
    page.reload()
    expect(nodes.nth(0)).to_have_attribute("data-state", "running")
    page.get_by_role("button", name="Cancel").click()
    expect(nodes).to_have_count(0)


def test_the_default_workflow_for_pictures_is_set(page: Page, server: LiveServer) -> None:
    """Found by its name in a long library, and kept."""
    for number in range(12):
        (server.workspace / "workflows" / f"Further {number}.json").write_text(
            json.dumps(graphs.quick(number)), "utf-8"
        )
    page.goto("/settings")
    field = page.get_by_role("combobox", name="Default image workflow")
    field.fill("sample")
    page.get_by_role("option", name="Sample", exact=True).click()
    page.locator("#save-generation").click()
    expect(page.locator("#generation")).to_contain_text("Saved")
    page.reload()
    expect(field).to_have_value("Sample")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("screen", SCREENS, indirect=True)
def test_what_opens_in_the_form_passes_the_audit(lab: Page, screen: str, theme: str) -> None:
    """Everything unfolded, a list open, the settings with the search."""
    choose_theme(lab, theme)
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        expect(lab.locator("html")).to_have_attribute("data-theme", theme)
        found[name] = audit(lab) + lab.evaluate(SMALL_TARGETS)
        save_screenshot(lab, f"{name}-{theme}-{screen}")

    lab.goto("/generate?workflow=sample")
    look("generate-form")
    lab.get_by_text("Advanced").click()
    lab.get_by_role("combobox", name="Sampler").click()
    expect(lab.get_by_role("listbox", name="Sampler")).to_be_visible()
    look("generate-list")
    lab.goto("/generate?workflow=invert")
    look("generate-file")
    lab.goto("/settings#generation")
    look("settings-generation")
    assert {name: problems for name, problems in found.items() if problems} == {}
