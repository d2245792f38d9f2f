"""Fixtures of the browser tests: Debian's Chromium against a real server beside a real model host."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import ModelHost
from tests.live import LiveServer

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "test-artifacts"
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
# The page may wait 8 s and a bit before it tries the line again; a busy machine adds its own.
expect.set_options(timeout=20_000)
# Refused or cut on purpose by a test; the browser writes a line for each answer of 400 and above, and for none at all.
_EXPECTED = re.compile(r"Failed to load resource|WebSocket connection to|net::ERR_|Failed to fetch")


def _executable() -> str | None:
    named = os.environ.get("HEARTH_BROWSER")
    return named or next((path for path in CHROMIUM if Path(path).exists()), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser per file: Playwright holds the thread's event loop, which other files need for themselves."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_executable(), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def new_context(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Open browser contexts; a script error or a breach of the content policy in any of them fails the test."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: troubles.append(f"{page.url}: {error}"))
        page.on("console", lambda message: note(page, message.type, message.text))

    def note(page: Page, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not _EXPECTED.search(text):
            troubles.append(f"{page.url}: {text}")

    def make(**options: object) -> BrowserContext:
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", **options})  # type: ignore[arg-type]
        context.set_default_timeout(20_000)
        context.on("page", watch)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """The folder of the test's own presets."""
    return tmp_path / "catalogue"


@pytest.fixture
def server(
    make_live_server: Callable[..., LiveServer], catalogue: Path, model_host: ModelHost, hugging_face: HuggingFaceHub
) -> LiveServer:
    """A server on the test's own presets and hub; presets that are written later are found on restart."""
    catalogue.mkdir(exist_ok=True)
    return make_live_server(PRESET_CATALOG_DIR=str(catalogue), HF_ENDPOINT=hugging_face.endpoint)


@pytest.fixture
def page(new_context: Callable[..., BrowserContext], server: LiveServer) -> Page:
    """A tab that is signed in."""
    tab = new_context(base_url=server.url).new_page()
    sign_in(tab, server)
    return tab


def sign_in(page: Page, server: LiveServer) -> None:
    """Sign in by form and arrive at the presets."""
    page.goto(f"{server.url}/login")
    page.get_by_label("Password", exact=True).fill(server.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/presets")


def save_screenshot(page: Page, name: str) -> None:
    """Keep a picture for people; the caret is left alone, hiding it would write inline styles."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", caret="initial", animations="allow")
