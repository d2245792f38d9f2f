"""Who may do what with presets, over HTTP, and what is said when they are switched off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from fastapi import FastAPI

from tests.api.presets import *  # noqa: F403 -- its fixtures
from tests.api.presets import refused
from tests.conftest import client_of, running

pytestmark = pytest.mark.anyio


WRITES = [
    ("POST", ""), ("POST", "/download"), ("POST", "/update"), ("PUT", "/sd15"), ("DELETE", "/sd15"),
    ("POST", "/sd15/download"), ("POST", "/sd15/restore"), ("POST", "/sd15/verify"), ("DELETE", "/sd15/verify"),
]  # fmt: skip
READS = [("GET", ""), ("GET", "/categories"), ("GET", "/sd15"), ("GET", "/sd15/status"), ("GET", "/sd15/verify")]


@pytest.mark.parametrize(("method", "path"), [*READS, *WRITES])
async def test_nobody_comes_in_without_a_key(anon_client: httpx2.AsyncClient, method: str, path: str):
    """Every endpoint asks who is there."""
    answer = await anon_client.request(method, f"/api/presets{path}")
    assert answer.status_code == 401


async def test_a_reading_key_reads_and_changes_nothing(installed: None, client: httpx2.AsyncClient, app: FastAPI):
    """Reads need the read scope, everything that changes something needs manage."""
    made = await client.post("/api/auth/keys", json={"name": "reader", "scope": "read"})
    assert made.status_code == 201, made.text
    async with client_of(app, headers={"Authorization": f"Bearer {made.json()['key']}"}) as reader:
        for method, path in READS[:-1]:
            assert (await reader.request(method, f"/api/presets{path}")).status_code == 200
        for method, path in WRITES:
            assert (await reader.request(method, f"/api/presets{path}", json={})).status_code == 403
    assert (await client.get("/api/presets/sd15")).json()["files_present"] == 2


@pytest.fixture
async def disabled(make_app: Callable[..., FastAPI], password: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A signed-in client of an application without presets."""
    async with running(make_app(enable_preset_manager=False)) as app, client_of(app) as client:
        answer = await client.post("/api/auth/login", json={"password": password})
        client.cookies.clear()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


@pytest.mark.parametrize(("method", "path"), [*READS, *WRITES[2:]])
async def test_switched_off_presets_say_so(disabled: httpx2.AsyncClient, method: str, path: str):
    """ENABLE_PRESET_MANAGER=false closes every endpoint with the reason."""
    await refused(await disabled.request(method, f"/api/presets{path}"), 404, "presets_disabled")
