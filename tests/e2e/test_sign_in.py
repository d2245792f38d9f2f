"""Signing in with a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.live import LiveServer
from tests.secret_watch import secret

pytestmark = pytest.mark.e2e


def test_wrong_then_right(new_context: Callable[..., BrowserContext], server: LiveServer) -> None:
    """The page that was asked for opens after the right password, and the wrong one is told beside the field."""
    page = new_context(base_url=server.url).new_page()
    page.goto("/downloads")
    expect(page).to_have_url(f"{server.url}/login?next=/downloads")
    field = page.get_by_label("Password", exact=True)
    expect(field).to_be_focused()
    field.fill(secret("guess"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That password is not right.")
    field.fill(server.password)
    page.get_by_role("button", name="Show password").click()
    expect(field).to_have_attribute("type", "text")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{server.url}/downloads")
    expect(page.get_by_role("heading", level=1)).to_have_text("Downloads")


def test_signing_out_closes_the_door_of_every_tab(page: Page, server: LiveServer) -> None:
    """A tab that is still open notices: its socket is closed, and it asks for the password."""
    other = page.context.new_page()
    other.goto("/downloads")
    expect(other.get_by_role("heading", level=1)).to_have_text("Downloads")
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{server.url}/login")
    expect(other).to_have_url(f"{server.url}/login?next=/downloads")


def test_without_scripts_everything_can_be_done(new_context: Callable[..., BrowserContext], server: LiveServer) -> None:
    """Forms and links carry the pages on their own."""
    page = new_context(base_url=server.url, java_script_enabled=False).new_page()
    page.goto("/presets?q=x")
    page.get_by_label("Password", exact=True).fill(server.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{server.url}/presets?q=x")
    page.goto("/downloads/add")
    page.get_by_label("Address of the file").fill("https://huggingface.co/ada/nothing/resolve/main/x.safetensors")
    page.get_by_label("Folder").select_option("loras")
    page.get_by_role("button", name="Download").click()
    expect(page).to_have_url(f"{server.url}/downloads")
    while not page.get_by_role("button", name="Try again").count():
        page.reload()
    page.get_by_role("button", name="Remove from the list").click()
    expect(page.get_by_text("Nothing to download")).to_be_visible()
