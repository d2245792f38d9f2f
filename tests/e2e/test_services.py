"""Services and the start in a browser: live, accessible in three themes, and giving way to ComfyUI by themselves."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import save_screenshot, sign_in
from tests.e2e.test_looks import BETWEEN, SCREENS, THEMES, audit, choose_theme
from tests.fakes.comfyui import SimulatedComfyUI
from tests.fakes.s6 import S6Tree
from tests.live import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BOOT = Path(__file__).parents[1] / "system" / "recordings" / "boot_0.3.64.log"


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[SimulatedComfyUI]:
    """Not started yet."""
    simulated = SimulatedComfyUI(tmp_path / "simulated")
    yield simulated
    simulated.stop()


@pytest.fixture
def tree(tmp_path: Path, workspace: Path) -> Iterator[S6Tree]:
    tree = S6Tree(tmp_path / "run", workspace)
    said = tmp_path / "said"
    said.touch()
    tree.add("comfyui", f"cat '{BOOT}'; exec tail -n 0 -f '{said}'")
    tree.add("hearth", "exec sleep 1000")
    tree.add("jupyter", "exec sleep 1000", down=True)
    with tree:
        yield tree


@pytest.fixture
def server(make_live_server: Callable[..., LiveServer], tree: S6Tree, comfyui: SimulatedComfyUI) -> LiveServer:
    return make_live_server(HEARTH_RUN_DIR=str(tree.run), COMFYUI_URL=comfyui.url)


@pytest.fixture
def wide(new_context: Callable[..., BrowserContext], server: LiveServer) -> Page:
    """A signed-in tab whose policy lets the audit's own script in."""
    tab = new_context(base_url=server.url, bypass_csp=True, reduced_motion="reduce").new_page()
    sign_in(tab, server)
    return tab


def say(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(f"{line}\n")


def test_lines_arrive_are_searched_and_held(page: Page, tmp_path: Path) -> None:
    """Each as it is written; search and level hide lines, a pause keeps them back until it ends."""
    page.goto("/services?log=comfyui")
    lines = page.locator("[data-log-lines] li")
    expect(lines.last).to_contain_text("To see the GUI")
    say(tmp_path / "said", "[WARNING] a first word")
    expect(lines.last).to_contain_text("a first word")
    expect(lines.last).to_have_attribute("data-level", "warning")

    page.get_by_label("Find in the lines").fill("first word")
    expect(page.locator("[data-log-lines] li:visible")).to_have_count(1)
    page.get_by_label("Find in the lines").fill("")
    page.get_by_label("Least level").select_option("error")
    expect(page.locator("[data-log-lines] li:visible").first).to_have_attribute("data-level", "error")
    page.get_by_label("Least level").select_option("")

    page.get_by_role("button", name="Pause").click()
    say(tmp_path / "said", "said in the pause")
    expect(page.locator("[data-log-state]")).to_contain_text("1 more wait")
    expect(lines.last).to_contain_text("a first word")
    page.get_by_role("button", name="Go on").click()
    expect(lines.last).to_contain_text("said in the pause")

    with page.expect_download() as saving:
        page.get_by_label("Download the log of ComfyUI").click()
    assert "said in the pause" in Path(saving.value.path()).read_text("utf-8")


def test_services_are_steered_and_follow_by_themselves(page: Page, server: LiveServer, tree: S6Tree) -> None:
    """A dialog before a restart; what others do shows up without a reload."""
    page.goto("/services")
    row = page.locator("#service-jupyter")
    expect(row).to_contain_text("Stopped")
    row.get_by_role("button", name="Start").click()
    expect(row).to_contain_text("Running")
    row.get_by_label("Stop JupyterLab").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("stays stopped")
    dialog.get_by_role("button", name="Stop JupyterLab").click()
    expect(dialog).to_be_hidden()
    expect(row).to_contain_text("Stopped")
    subprocess.run(["s6-svc", "-u", tree.scan / "jupyter"], check=True)
    expect(row).to_contain_text("Running")


@pytest.mark.parametrize("theme", THEMES)
def test_both_pages_pass_the_audit(wide: Page, theme: str) -> None:
    """On a phone and a desk, and nothing wider than the screen in between."""
    choose_theme(wide, theme)
    found: dict[str, list[str]] = {}
    for screen, size in (("desk", {"width": 1440, "height": 900}), ("phone", SCREENS["phone"]["viewport"])):
        wide.set_viewport_size(size)  # type: ignore[arg-type]
        for name in ("services", "startup"):
            wide.goto(f"/{name}")
            expect(wide.get_by_text("ComfyUI-Florence2", exact=True)).to_be_visible()
            found[f"{name}-{screen}"] = audit(wide)
            save_screenshot(wide, f"{name}-{theme}-{screen}")
    for width in BETWEEN if theme == "dark" else ():
        wide.set_viewport_size({"width": width, "height": 900})
        for name in ("services", "startup"):
            wide.goto(f"/{name}")
            over = wide.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            found[f"{name}-{width}"] = [f"{over} px too wide"] if over > 0 else []

    assert {name: problems for name, problems in found.items() if problems} == {}


class _Gateway(BaseHTTPRequestHandler):
    """Do what nginx does on ComfyUI's port: ComfyUI if it answers, else the start-up page, with the visitor's cookie."""

    comfyui = ""
    hearth = ""

    def do_GET(self) -> None:
        headers = {name: value for name, value in self.headers.items() if name in ("Cookie", "Accept")}
        with httpx2.Client(trust_env=False) as client:
            try:
                answer = client.get(f"{self.comfyui}/system_stats", headers=headers)
                body, kind = b"<!doctype html><title>ComfyUI</title><h1>This is ComfyUI</h1>", "text/html"
            except httpx2.HTTPError:
                answer = client.get(f"{self.hearth}/startup?for=comfyui", headers=headers)
                body, kind = answer.content, answer.headers["content-type"]
        self.send_response(answer.status_code)
        self.send_header("Content-Type", kind)
        for name in ("content-security-policy", "retry-after"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def gateway(server: LiveServer, comfyui: SimulatedComfyUI) -> Iterator[str]:
    handler = type("Gateway", (_Gateway,), {"comfyui": comfyui.url, "hearth": server.url})
    listener = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listener.server_address[1]}"
    listener.shutdown()
    listener.server_close()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_the_start_up_page_gives_way_to_comfyui(
    new_context: Callable[..., BrowserContext],
    server: LiveServer,
    gateway: str,
    comfyui: SimulatedComfyUI,
    scripts: bool,
) -> None:
    """On another port, whatever address was asked for, under its own policy; it follows the start meanwhile."""
    context = new_context(base_url=server.url, java_script_enabled=scripts)
    tab = context.new_page()
    sign_in(tab, server)
    tab.goto(f"{gateway}/?workflow=mine")
    expect(tab.get_by_role("heading", level=1)).to_have_text("ComfyUI is starting")
    expect(tab.get_by_text("ComfyUI-Florence2", exact=True)).to_be_visible()
    comfyui.start()
    expect(tab.get_by_role("heading", level=1)).to_have_text("This is ComfyUI")
    assert tab.url == f"{gateway}/?workflow=mine"
