"""Every page in three themes, on a phone and a desk: accessible, nothing wider than the screen, a picture of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import ROOT, save_screenshot, sign_in
from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import Content, HtmlPage, ModelHost, Slow
from tests.live import LiveServer
from tests.web.presets import MB, offer, write_preset

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
THEMES = ("dark", "light", "high-contrast")
SCREENS = {"phone": {"viewport": {"width": 360, "height": 780}, "has_touch": True, "is_mobile": True}, "desk": {}}
BETWEEN = (390, 768, 1024, 1280, 1600)
LONG = "a-name-that-is-much-longer-than-any-column_fp8_e4m3fn_scaled.safetensors"
PAGES = {
    "login": "/login", "presets": "/presets", "presets-empty": "/presets?q=nothing", "preset": "/presets/mixed",
    "preset-gated": "/presets/gated", "remove": "/presets/ready/remove", "downloads": "/downloads",
    "add": "/downloads/add", "settings": "/settings", "not-found": "/presets/none",
}  # fmt: skip


@pytest.fixture
def catalogue(tmp_path: Path, model_host: ModelHost, hugging_face: HuggingFaceHub) -> Path:
    """One preset for each state that a page can show."""
    folder = tmp_path / "catalogue"
    ready = offer(model_host, "ready.safetensors", 300_000)
    write_preset(folder, "ready", [ready], licence="Apache-2.0", homepage="https://huggingface.co/ada/ready")
    mixed = [ready, offer(model_host, LONG, 60 * MB, Slow(100_000), directory="diffusion_models")]
    described = (
        "Turns one image into a clip of five seconds at up to 1280 by 720, two experts take turns, one for detail."
    )
    write_preset(folder, "mixed", mixed, category="video", description=described, min_vram_bytes=12 * 1024**3)
    broken = offer(model_host, "broken.safetensors", 2 * MB, HtmlPage())
    write_preset(folder, "broken", [broken], category="tools")
    write_preset(folder, "waiting", [offer(model_host, "waiting.safetensors", 9 * MB, Slow(1_000))], category="audio")
    content = Content.safetensors(400_000, seed=5)
    hugging_face.add("ada/gated", "gated.safetensors", content)
    hugging_face.gate("ada/gated")
    url = hugging_face.public_url("ada/gated", "gated.safetensors")
    gated = {"directory": "checkpoints", "name": "gated.safetensors", "url": url, "gated": True, "size_bytes": 400_000}
    write_preset(folder, "gated", [gated], homepage="https://huggingface.co/ada/gated")
    return folder


@pytest.fixture
def busy(server: LiveServer) -> LiveServer:
    """A server with a job in every state."""
    with server.client() as client:
        for preset in ("ready", "mixed", "broken", "gated", "waiting"):
            client.post("/api/downloads/start", json={"preset_id": preset}).raise_for_status()
        states: dict[str, str] = {}
        while set(states.values()) != {"completed", "downloading", "failed", "blocked"}:
            jobs = client.get("/api/downloads").json()["items"]
            states = {job["preset_id"]: job["state"] for job in jobs}
        waiting = next(job["id"] for job in jobs if job["preset_id"] == "waiting")
        client.post(f"/api/downloads/{waiting}/pause").raise_for_status()
    return server


@pytest.fixture(params=SCREENS)
def screen(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def tab(new_context: Callable[..., BrowserContext], busy: LiveServer, screen: str) -> Page:
    """A signed-in tab on a phone or desk; the content policy lets the audit's own script in."""
    context = new_context(base_url=busy.url, bypass_csp=True, reduced_motion="reduce", **SCREENS[screen])
    page = context.new_page()
    sign_in(page, busy)
    return page


def audit(page: Page) -> list[str]:
    """Return what axe-core finds wrong, and whether the page is wider than its screen."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", RULES
    )
    problems = [f"{v['id']}: {node['html'][:160]}" for v in found["violations"] for node in v["nodes"]]
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return problems + ([f"{wider} px wider than the screen"] if wider > 0 else [])


def choose_theme(page: Page, theme: str) -> None:
    page.context.add_cookies([{"name": "hearth_theme", "value": theme, "url": page.url}])


@pytest.mark.parametrize("theme", THEMES)
def test_every_page_passes_the_audit(tab: Page, busy: LiveServer, screen: str, theme: str) -> None:
    """WCAG 2.2 AA and axe's best practice without a finding, and no sideways scrolling."""
    choose_theme(tab, theme)
    found: dict[str, list[str]] = {}
    for name, url in PAGES.items():
        if name == "login":
            continue
        tab.goto(url)
        expect(tab.locator("html")).to_have_attribute("data-theme", theme)
        expect(tab.get_by_role("heading", level=1)).to_be_visible()
        found[name] = audit(tab)
        save_screenshot(tab, f"{name}-{theme}-{screen}")
    tab.context.clear_cookies(name="hearth_session")
    tab.goto("/login")
    found["login"] = audit(tab)
    save_screenshot(tab, f"login-{theme}-{screen}")
    assert {name: problems for name, problems in found.items() if problems} == {}
    assert found.keys() == PAGES.keys()


@pytest.mark.parametrize("theme", THEMES)
def test_what_opens_over_a_page_passes_too(tab: Page, screen: str, theme: str) -> None:
    """Dialogs, menus, toasts and the bar of ticked presets."""
    choose_theme(tab, theme)
    found: dict[str, list[str]] = {}
    tab.goto("/downloads")
    tab.get_by_role("link", name="Add a URL").click()
    expect(tab.get_by_role("dialog")).to_be_visible()
    found["add"] = audit(tab)
    save_screenshot(tab, f"dialog-add-{theme}-{screen}")
    tab.goto("/presets/ready")
    tab.get_by_role("link", name="Remove files").click()
    expect(tab.get_by_role("dialog")).to_be_visible()
    found["remove"] = audit(tab)
    save_screenshot(tab, f"dialog-remove-{theme}-{screen}")
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Theme").click()
    found["theme"] = audit(tab)
    save_screenshot(tab, f"menu-theme-{theme}-{screen}")
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Verify").click()
    tab.goto("/presets")
    if screen == "desk":
        tab.get_by_label("Tick Gated").check()
        tab.get_by_label("Tick Mixed").check()
        expect(tab.locator("#bulk-bar")).to_contain_text("2 ticked")
        found["bulk"] = audit(tab)
        save_screenshot(tab, f"bulk-{theme}-{screen}")
    tab.locator("#preset-waiting").get_by_role("button", name="Cancel").click()
    expect(tab.locator("#preset-waiting")).not_to_contain_text("Paused")
    tab.locator("#preset-waiting").get_by_role("button", name="Install").click()
    expect(tab.locator(".toast")).to_be_visible()
    found["toast"] = audit(tab)
    save_screenshot(tab, f"toast-{theme}-{screen}")
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_nothing_is_wider_than_the_screen_in_between(tab: Page, screen: str) -> None:
    """Tablets and large screens scroll down only."""
    if screen == "phone":
        pytest.skip("the widths of this test are its own")
    wide: list[str] = []
    for width in BETWEEN:
        tab.set_viewport_size({"width": width, "height": 900})
        for name, url in PAGES.items():
            if name != "login":
                tab.goto(url)
                over = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                wide += [f"{name} at {width}: {over} px"] if over > 0 else []
    assert wide == []


def test_every_target_is_large_enough(tab: Page, screen: str) -> None:
    """Buttons and links outside of sentences are at least 24 px high and wide (WCAG 2.2, 2.5.8)."""
    small: list[str] = []
    for name, url in PAGES.items():
        if name != "login":
            tab.goto(url)
            small += [f"{name}: {found}" for found in tab.evaluate(SMALL_TARGETS)]
    assert small == []


SMALL_TARGETS = """() => [...document.querySelectorAll("a, button, input, select, summary")].filter((element) => {
  if (!element.checkVisibility({ visibilityProperty: true }) || element.closest(".sr-only, .skip") || element.matches(".sr-only, [type=hidden]")) return false;
  if (getComputedStyle(element).display === "inline") return false;
  const box = (element.closest("label, .hit") ?? element).getBoundingClientRect();
  const own = element.getBoundingClientRect();
  return Math.max(box.height, own.height) < 24 || Math.max(box.width, own.width) < 24;
}).map((element) => element.outerHTML.slice(0, 120))"""
