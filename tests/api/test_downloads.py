"""The download queue over HTTP: codes, shapes and rights."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fakes.content import Content
from tests.fakes.faults import Slow, Stall, Status
from tests.fakes.model_host import ModelHost

pytestmark = pytest.mark.anyio

MODEL = Content.safetensors(400_000, seed=3)
JOB_KEYS = {
    "id", "kind", "name", "preset_id", "state", "priority", "position", "created_at", "started_at", "finished_at",
    "bytes_total", "bytes_done", "progress_ratio", "speed_bytes_s", "eta_s", "attempts", "error", "files",
}  # fmt: skip
FILE_KEYS = {
    "id", "directory", "name", "url", "state", "bytes_total", "bytes_done", "progress_ratio", "speed_bytes_s", "eta_s",
    "attempts", "connections", "stalled_s", "retry_in_s", "sha256", "verified", "path", "shared_with", "error",
}  # fmt: skip


async def start(client: httpx2.AsyncClient, url: str, **more: Any) -> dict[str, Any]:
    answer = await client.post("/api/downloads/start", json={"url": url, "directory": "loras", **more})
    assert answer.status_code == 202, answer.text
    return answer.json()


async def until(client: httpx2.AsyncClient, job_id: str, *states: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            job = (await client.get(f"/api/downloads/{job_id}")).json()
            if job["state"] in states:
                return job
            await asyncio.sleep(0.01)


def refused(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["hint"]
    return error


async def test_a_download_from_the_request_to_the_file(
    client: httpx2.AsyncClient, workspace: Path, model_host: ModelHost
) -> None:
    """202 with the job and its address; then the same shape until it is complete."""
    body = {"url": model_host.put("/a.safetensors", MODEL), "directory": "loras", "sha256": MODEL.sha256}
    answer = await client.post("/api/downloads/start", json=body)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/api/downloads/{job['id']}"
    assert set(job) == JOB_KEYS
    assert set(job["files"][0]) == FILE_KEYS

    done = await until(client, job["id"], "completed")
    assert set(done) == JOB_KEYS
    assert done["progress_ratio"] == 1
    assert MODEL.is_in(workspace / "ComfyUI" / "models" / "loras" / "a.safetensors")


async def test_a_preset_is_started_by_its_id(client: httpx2.AsyncClient, model_host: ModelHost) -> None:
    """An unknown one is 404; the same one twice is one job."""
    refused(await client.post("/api/downloads/start", json={"preset_id": "no-such-preset"}), 404, "preset_not_found")
    definition = {
        "schema": 1,
        "id": "own-preset",
        "name": "Own preset",
        "category": "image",
        "description": "A preset of the test.",
        "files": [
            {
                "directory": "checkpoints",
                "name": "own.safetensors",
                "url": model_host.put("/own.safetensors", MODEL, Slow(400_000)),
                "size_bytes": MODEL.size,
                "sha256": MODEL.sha256,
            }
        ],
    }
    created = await client.post("/api/presets", json=definition)
    assert created.status_code == 201, created.text
    first = (await client.post("/api/downloads/start", json={"preset_id": "own-preset"})).json()
    second = (await client.post("/api/downloads/start", json={"preset_id": "own-preset"})).json()
    assert first["id"] == second["id"]
    assert first["preset_id"] == "own-preset"
    await until(client, first["id"], "completed")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_download_request"),
        ({"preset_id": "a", "url": "https://a.test/x.bin", "directory": "loras"}, "invalid_download_request"),
        ({"url": "https://a.test/x.bin"}, "invalid_download_request"),
        ({"url": "https://a.test/x.bin", "directory": "nowhere"}, "unknown_category"),
        ({"url": "https://a.test/x.bin", "directory": "loras", "name": "../x.bin"}, "unsafe_path"),
        ({"url": "file:///etc/passwd", "directory": "loras"}, "unsupported_address"),
        ({"url": "https://u:p@a.test/x.bin", "directory": "loras"}, "token_in_address"),
        ({"url": "https://a.test/x.bin", "directory": "loras", "sha256": "zz"}, "invalid_download_request"),
        ({"url": 7, "directory": "loras"}, "invalid_request"),
        ({"preset_id": "a", "priority": 1000}, "invalid_request"),
    ],
)
async def test_what_cannot_be_meant_is_422(client: httpx2.AsyncClient, body: dict[str, Any], code: str) -> None:
    """With a code and a hint, and nothing is queued."""
    refused(await client.post("/api/downloads/start", json=body), 422, code)
    assert (await client.get("/api/downloads")).json()["total"] == 0


async def test_the_list_filters_and_pages(client: httpx2.AsyncClient, model_host: ModelHost) -> None:
    """Items, total, the page asked for, and the queue in numbers."""
    ended = await start(client, model_host.put("/ended.safetensors", MODEL))
    await until(client, ended["id"], "completed")
    running = await start(client, model_host.put("/running.safetensors", MODEL, Stall(after=1000)))
    await until(client, running["id"], "downloading")

    page = (await client.get("/api/downloads")).json()
    assert set(page) == {"items", "total", "limit", "offset", "queue"}
    assert [job["id"] for job in page["items"]] == [running["id"], ended["id"]]
    assert set(page["queue"]) == {"paused", "active", "waiting", "bytes_left", "speed_bytes_s", "eta_s"}
    assert page["queue"]["bytes_left"] > 0
    for query, found in (
        ("active=true", [running]),
        ("active=false", [ended]),
        ("state=completed", [ended]),
        ("state=downloading,completed", [running, ended]),
        ("q=ENDED", [ended]),
        ("preset_id=none", []),
        ("limit=1&offset=1", [ended]),
    ):
        items = (await client.get(f"/api/downloads?{query}")).json()["items"]
        assert [job["id"] for job in items] == [job["id"] for job in found], query
    refused(await client.get("/api/downloads?state=lost"), 422, "invalid_download_request")
    refused(await client.get("/api/downloads?limit=0"), 422, "invalid_request")


async def test_a_running_job_is_steered(client: httpx2.AsyncClient, model_host: ModelHost) -> None:
    """Pause, resume, move, cancel and retry answer the job as it then is."""
    job = await start(client, model_host.put("/a.safetensors", MODEL, Stall(after=1000, methods=("GET",))))
    address = f"/api/downloads/{job['id']}"
    await until(client, job["id"], "downloading")
    refused(await client.delete(address), 409, "illegal_download_state")
    refused(await client.post(f"{address}/retry"), 409, "illegal_download_state")
    assert (await client.post(f"{address}/pause")).json()["state"] == "paused"
    assert (await client.post(f"{address}/pause")).json()["state"] == "paused"
    assert (await client.post(f"{address}/move", json={"position": 3})).json()["position"] == 0
    refused(await client.post(f"{address}/move", json={"position": -1}), 422, "invalid_request")
    assert (await client.post(f"{address}/resume")).json()["state"] in ("queued", "resolving", "downloading")
    answer = await client.post(f"{address}/cancel", params={"keep_partial": "false"})
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    model_host.put("/a.safetensors", MODEL)
    assert (await client.post(f"{address}/retry")).status_code == 200
    await until(client, job["id"], "completed")
    for command in ("pause", "resume", "cancel", "retry"):
        error = refused(await client.post(f"{address}/{command}"), 409, "illegal_download_state")
        assert error["details"] == {"state": "completed"}
    assert (await client.delete(address)).status_code == 204
    refused(await client.get(address), 404, "download_not_found")


async def test_everything_is_paused_and_resumed(client: httpx2.AsyncClient, model_host: ModelHost) -> None:
    """Newcomers begin paused until everything is resumed."""
    assert (await client.post("/api/downloads/pause")).json()["paused"] is True
    job = await start(client, model_host.put("/a.safetensors", MODEL))
    assert job["state"] == "paused"
    assert (await client.get("/api/downloads")).json()["queue"]["paused"] is True
    assert (await client.post("/api/downloads/resume")).json()["paused"] is False
    await until(client, job["id"], "completed")


async def test_the_history_is_cleared(client: httpx2.AsyncClient, model_host: ModelHost) -> None:
    """What has ended goes, whatever the end was; the error of a failed job has the one shape."""
    model_host.put("/gone.safetensors", MODEL, Status(410, methods=("GET", "HEAD")))
    job = await start(client, model_host.url("/gone.safetensors"))
    failed = await until(client, job["id"], "failed")
    assert {"code", "message", "hint"} <= set(failed["error"])
    assert failed["files"][0]["error"] == failed["error"]
    assert (await client.delete("/api/downloads/history")).json() == {"removed": 1}
    assert (await client.get("/api/downloads")).json()["total"] == 0


@pytest.mark.parametrize("method", ["cancel", "pause", "resume", "retry", "move"])
async def test_an_unknown_job_is_404(client: httpx2.AsyncClient, method: str) -> None:
    """For every command."""
    body = {"position": 0} if method == "move" else None
    refused(await client.post(f"/api/downloads/nobody/{method}", json=body), 404, "download_not_found")
    refused(await client.delete("/api/downloads/nobody"), 404, "download_not_found")


async def test_a_reader_looks_and_does_not_touch(client: httpx2.AsyncClient, anon_client: httpx2.AsyncClient) -> None:
    """Lists are open to every key; commands need the right to manage; strangers get nothing."""
    made = await client.post("/api/auth/keys", json={"name": "reader", "scope": "read"})
    assert made.status_code == 201, made.text
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await anon_client.get("/api/downloads", headers=key)).status_code == 200
    for method, address in (
        ("POST", "/api/downloads/start"),
        ("POST", "/api/downloads/pause"),
        ("POST", "/api/downloads/resume"),
        ("DELETE", "/api/downloads/history"),
        ("DELETE", "/api/downloads/x"),
        ("POST", "/api/downloads/x/cancel"),
    ):
        assert (await anon_client.request(method, address, headers=key, json={})).status_code == 403, address
        assert (await anon_client.request(method, address, json={})).status_code == 401, address
    assert (await anon_client.get("/api/downloads")).status_code == 401
