"""Fixtures of the page tests: a small catalogue on a real model host, and clients that act as browsers do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tests.conftest import client_of, running
from tests.fakes.model_host import ModelHost, Slow
from tests.web.presets import MB, offer, write_preset

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def catalogue(tmp_path: Path, model_host: ModelHost) -> Path:
    """Four presets: small, two that share a file, and one that never ends."""
    folder = tmp_path / "catalogue"
    shared = offer(model_host, "shared.safetensors", 300_000, directory="vae")
    write_preset(folder, "small", [offer(model_host, "small.safetensors", 200_000)], licence="MIT")
    write_preset(folder, "pair", [offer(model_host, "pair.safetensors", 400_000), shared], category="video")
    write_preset(folder, "twin", [shared], category="tools", aliases=["OLD_TWIN"])
    endless = offer(model_host, "endless.safetensors", 50 * MB, Slow(30_000))
    write_preset(folder, "endless", [endless], category="audio", min_vram_bytes=8 * 1024**3)
    return folder


@pytest.fixture
async def app(make_app: Callable[..., FastAPI], catalogue: Path, anyio_backend: object) -> AsyncIterator[FastAPI]:
    """The application on the test's own catalogue."""
    async with AsyncExitStack() as stack:
        application = make_app(preset_catalog_dir=catalogue)
        await stack.enter_async_context(running(application))
        yield application


@pytest.fixture
async def browser(app: FastAPI, password: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser without scripts that is signed in by cookie."""
    headers = {"Accept": "text/html", "Origin": "http://hearth.test"}
    async with client_of(app, headers=headers) as client:
        answer = await client.post("/login", data={"password": password, "next": "/presets"})
        assert answer.status_code == 303
        yield client


@pytest.fixture
def services(app: FastAPI) -> Any:
    """Everything that the application opened."""
    return app.state.lifespan_state["services"]
