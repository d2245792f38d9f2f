"""Presets are downloaded over HTTP, one, several, or those that the environment names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from tests.api.presets import *  # noqa: F403 -- its fixtures
from tests.api.presets import DEADLINE_S, GOOD, refused
from tests.conftest import client_of, running
from tests.fakes.content import Content
from tests.fakes.model_host import ModelHost
from tests.presets.shelf import definition, file, write_catalog

pytestmark = pytest.mark.anyio


async def test_a_bulk_download_has_an_answer_for_each_id(client: httpx2.AsyncClient):
    """Refused ids carry the error that they would have had alone."""
    answer = await client.post("/api/presets/download", json={"ids": ["OLD", "nobody"]})
    assert answer.status_code == 202
    content = answer.json()
    assert content["total"] == 2
    assert [(each["id"], each["job"], each["error"]["code"]) for each in content["items"]] == [
        ("OLD", None, "preset_retired"), ("nobody", None, "preset_not_found"),
    ]  # fmt: skip
    for bad in ({}, {"ids": []}, {"ids": [""]}, {"ids": ["x"] * 201}, {"ids": "sd15"}):
        await refused(await client.post("/api/presets/download", json=bad), 422, "invalid_request")


@pytest.fixture
def offered(tmp_path: Path, model_host: ModelHost) -> str:
    """The shipped catalogue has a preset whose file really is at a host."""
    url = model_host.put("/real.safetensors", Content.of(GOOD))
    write_catalog(tmp_path / "catalog", definition("real", file("real.safetensors", content=GOOD, url=url)))
    return url


async def test_a_download_ends_installed(offered: str, client: httpx2.AsyncClient):
    """202 with a job and where to follow it, the same job when asked again, and in the end verified files."""
    begun = await client.post("/api/presets/REAL/download")
    assert begun.status_code == 202
    job = begun.json()
    assert begun.headers["Location"] == f"/api/downloads/{job['id']}"
    assert (job["kind"], job["preset_id"]) == ("preset", "real")
    async with asyncio.timeout(DEADLINE_S):
        while (shown := (await client.get("/api/presets/real")).json())["status"] != "installed":
            assert shown["status"] in ("absent", "partial", "downloading"), shown
            await asyncio.sleep(0.02)
    assert shown["download"] is None
    assert shown["files"][0]["bytes_present"] == len(GOOD)


async def test_presets_of_the_environment_come_by_themselves(
    offered: str, make_app: Callable[..., FastAPI], password: str
):
    """PRESET_DOWNLOAD queues at start without delaying it; a wrong id does no harm."""
    application = make_app(preset_download=("nobody", "real"), image_preset_download=("OLD", "real"))
    async with running(application) as app, client_of(app) as client:
        answer = await client.post("/api/auth/login", json={"password": password})
        client.cookies.clear()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        async with asyncio.timeout(DEADLINE_S):
            while (await client.get("/api/presets/real")).json()["status"] != "installed":
                await asyncio.sleep(0.02)
        jobs = (await client.get("/api/downloads")).json()
        assert [each["preset_id"] for each in jobs["items"]] == ["real"]
