"""The list of workflows in a real browser: what comes and goes elsewhere is seen without a reload."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.generating import *  # noqa: F403 -- its fixtures
from tests.generation import graphs
from tests.live import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_a_workflow_that_is_saved_elsewhere_comes_into_the_list(page: Page, server: LiveServer) -> None:
    """By the API or by hand into the folder; the search that was begun stays, and so does the address."""
    page.goto("/generate")
    search = page.get_by_placeholder("Name, tag or kind")
    search.fill("kettle")
    expect(page.get_by_text("No workflow matches")).to_be_visible()
    with server.client() as client:
        answer = client.post("/api/workflows", json=graphs.quick(), params={"name": "Kettle"})
        assert answer.status_code == 201, answer.text
    kettle = page.locator("#workflows a[href='/generate?workflow=kettle']")
    expect(kettle).to_be_visible()
    expect(search).to_have_value("kettle")
    assert page.url.endswith("/generate?q=kettle")

    folder = server.workspace / "workflows"
    (folder / "Old kettle.json").write_text(json.dumps(graphs.quick()), "utf-8")
    expect(page.locator("#workflows a[href='/generate?workflow=old-kettle']")).to_be_visible()
    (folder / "Kettle.json").unlink()
    expect(kettle).to_have_count(0)
    expect(page.locator("#workflows li")).to_have_count(1)
