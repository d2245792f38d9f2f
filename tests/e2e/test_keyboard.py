"""Everything by keyboard: order, rings, shortcuts, and focus that stays where it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.fakes.model_host import ModelHost, Slow
from tests.live import LiveServer
from tests.web.presets import MB, offer, write_preset

pytestmark = pytest.mark.e2e

_FOCUS = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const x = box.left + box.width / 2, y = box.top + box.height / 2;
  const above = document.elementFromPoint(x, y);
  const holder = element.closest(".searchbox");
  const ring = parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== "none";
  return {
    what: element.outerHTML.slice(0, 120),
    ring: ring || (holder && parseFloat(getComputedStyle(holder).outlineWidth) >= 2) || false,
    hidden: !(above && (above === element || element.contains(above) || above.contains(element))),
  };
}"""


@pytest.fixture
def catalogue(tmp_path: Path, model_host: ModelHost) -> Path:
    """Three presets whose downloads do not end while a test runs."""
    folder = tmp_path / "catalogue"
    for name in ("alpha", "beta", "gamma"):
        write_preset(folder, name, [offer(model_host, f"{name}.safetensors", 50 * MB, Slow(20_000))])
    return folder


@pytest.mark.parametrize("url", ["/presets", "/presets/alpha", "/downloads", "/downloads/add", "/settings"])
def test_a_walk_with_tab_meets_a_visible_ring_everywhere(page: Page, url: str) -> None:
    """Nothing takes the focus without showing it, and nothing that has it is covered."""
    page.goto(url)
    met: list[str] = []
    wrong: list[str] = []
    for _ in range(120):
        page.keyboard.press("Tab")
        found = page.evaluate(_FOCUS)
        if found is None or found["what"] in met:
            break
        met.append(found["what"])
        if not found["ring"] or (found["hidden"] and "skip" not in found["what"]):
            wrong.append(f"ring {found['ring']}, hidden {found['hidden']}: {found['what']}")
    assert wrong == []
    assert len(met) > 8
    assert "Skip to content" in met[0]


def test_shortcuts_lead_through_the_pages(page: Page, server: LiveServer) -> None:
    """Search, rows, ticks and pages without a mouse; single letters do nothing while somebody types."""
    page.keyboard.press("/")
    search = page.get_by_placeholder("Name, file or tag")
    expect(search).to_be_focused()
    page.keyboard.type("gd?")
    expect(search).to_have_value("gd?")
    search.fill("")
    expect(page.locator("#preset-rows tr")).to_have_count(3)
    search.blur()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Beta", exact=True)).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_label("Tick Beta")).to_be_checked()
    page.keyboard.press("k")
    expect(page.get_by_role("link", name="Alpha", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/presets/alpha")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page).to_have_url(f"{server.url}/downloads")
    page.keyboard.press("g")
    page.keyboard.press("p")
    expect(page).to_have_url(f"{server.url}/presets")


def test_a_job_is_moved_with_the_arrow_keys_and_keeps_the_focus(page: Page, server: LiveServer) -> None:
    """Alt and an arrow, as often as it takes."""
    with server.client() as client:
        client.post("/api/downloads/pause").raise_for_status()
        for preset in ("alpha", "beta", "gamma"):
            client.post("/api/downloads/start", json={"preset_id": preset}).raise_for_status()
    page.goto("/downloads")
    names = page.locator("#section-waiting .jobrow [data-open-row]")
    expect(names).to_have_text(["Alpha", "Beta", "Gamma"])
    page.get_by_role("button", name="Resume Gamma").focus()
    page.keyboard.press("Alt+ArrowUp")
    expect(names).to_have_text(["Alpha", "Gamma", "Beta"])
    page.keyboard.press("Alt+ArrowUp")
    expect(names).to_have_text(["Gamma", "Alpha", "Beta"])


def test_the_focus_stays_on_a_button_that_changes_its_meaning(page: Page) -> None:
    """Pause becomes Resume under the same finger; pressing again goes on."""
    page.locator("#preset-alpha").get_by_role("button", name="Install").click()
    pause = page.get_by_role("button", name="Pause Alpha")
    pause.focus()
    page.keyboard.press("Enter")
    resume = page.get_by_role("button", name="Resume Alpha")
    expect(resume).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Pause Alpha")).to_be_focused()


def test_files_that_were_folded_stay_folded(page: Page) -> None:
    """A job that is shown anew keeps what the visitor opened or closed."""
    page.locator("#preset-alpha").get_by_role("button", name="Install").click()
    page.goto("/downloads")
    files = page.locator("details.files").first
    expect(files).to_have_attribute("open", "")
    files.locator("summary").click()
    expect(files).not_to_have_attribute("open", "")
    page.get_by_role("button", name="Pause Alpha").click()
    expect(page.locator("#section-waiting")).to_be_visible()
    page.get_by_role("button", name="Resume Alpha").click()
    expect(page.locator("#section-running")).to_be_visible()
    with page.expect_response("**/downloads"):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('hearth:downloads'))")
    files.locator("summary").click()
    with page.expect_response("**/downloads"):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('hearth:downloads'))")
    expect(files).to_have_attribute("open", "")
