"""A Hearth with a simulated ComfyUI, a few workflows and, where wanted, results, for tests in a browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.e2e.conftest import sign_in
from tests.e2e.test_looks import SCREENS
from tests.fakes.comfyui import SimulatedComfyUI
from tests.generation import graphs
from tests.live import LiveServer
from tests.web.generating import documents, simulated

__all__ = ["comfyui", "lab", "page", "screen", "server"]


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[SimulatedComfyUI]:
    with simulated(tmp_path / "comfyui") as server:
        yield server


@pytest.fixture
def server(make_live_server: Callable[..., LiveServer], comfyui: SimulatedComfyUI) -> LiveServer:
    """A server with a ComfyUI that has told its nodes, and the workflows of the test's own."""
    live = make_live_server(COMFYUI_URL=comfyui.url)
    folder = live.workspace / "workflows"
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents().items():
        (folder / f"{name}.json").write_text(json.dumps(document), "utf-8")
    with live.client() as client:
        while not client.get("/api/backends").json()["items"][0]["nodes"]:
            pass
    return live


@pytest.fixture(params=["desk"])
def screen(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def page(new_context: Callable[..., BrowserContext], server: LiveServer, screen: str) -> Page:
    tab = new_context(base_url=server.url, **SCREENS[screen]).new_page()
    sign_in(tab, server)
    return tab


@pytest.fixture
def lab(new_context: Callable[..., BrowserContext], server: LiveServer, screen: str) -> Page:
    """A tab in which the audit's own script may run."""
    context = new_context(base_url=server.url, bypass_csp=True, reduced_motion="reduce", **SCREENS[screen])
    tab = context.new_page()
    sign_in(tab, server)
    return tab


def fill_gallery(server: LiveServer, count: int) -> None:
    """Make this many small pictures, the newest called ``Colour <count>``."""
    with server.client() as client:
        for number in range(1, count + 1):
            body = {"prompt": graphs.quick(number * 999_999 % (1 << 24)), "title": f"Colour {number}"}
            job = client.post("/api/generations", json=body).json()
            while client.get(f"/api/generations/{job['id']}").json()["state"] != "completed":
                pass
