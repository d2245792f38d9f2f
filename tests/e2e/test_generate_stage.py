"""What the socket tells while the stage is being asked for must not be forgotten."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.test_generate import comfyui, page, screen, server  # noqa: F401 -- the same server, workflows and tab
from tests.live import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

_THROTTLE_MS = 300  # of the stage's trigger: what comes within it is told at its end


def test_an_answer_that_was_overtaken_is_asked_for_again(page: Page, server: LiveServer) -> None:  # noqa: F811
    """A stage that arrives after the socket said how the job ended is out of date, and replaced without a reload."""
    held: list[str] = []

    def hold(route: Route) -> None:
        """Keep back the first answer until nothing more will be told of the job."""
        if held or "job=" not in route.request.url:
            return route.continue_()
        job_id = route.request.url.partition("job=")[2].partition("&")[0]
        held.append(job_id)
        answer = route.fetch()
        old = answer.text().replace('data-state="running"', 'data-state="queued"')
        with server.client() as client:
            while client.get(f"/api/generations/{job_id}").json()["state"] != "failed":
                pass
        page.wait_for_timeout(2 * _THROTTLE_MS)
        return route.fulfill(response=answer, body=old.replace('data-state="failed"', 'data-state="queued"'))

    page.route("**/generate/stage**", hold)
    page.goto("/generate?workflow=broken")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("section[data-generation]")).to_have_attribute("data-state", "failed")
    assert held
