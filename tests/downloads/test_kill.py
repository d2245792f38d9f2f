"""SIGKILL is an ordinary event: the next start of the server goes on by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx2

from backend.downloads import partial_bytes
from tests.fakes.content import Content
from tests.fakes.faults import Slow
from tests.fakes.model_host import ModelHost
from tests.live import LiveServer

MODEL = Content.safetensors(12_000_000, seed=11)
DEADLINE_S = 30


def wait_until(client: httpx2.Client, job_id: str, holds: Callable[[dict], object]) -> dict:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        job = client.get(f"/api/downloads/{job_id}").json()
        if holds(job):
            return job
        time.sleep(0.02)
    raise AssertionError(f"it did not come to that: {job}")


def test_a_killed_server_finishes_what_it_had_begun(live_server: LiveServer, model_host: ModelHost) -> None:
    """An acknowledged job is still there after the kill, running at once, and fetches only what is missing."""
    body = {"url": model_host.put("/m.safetensors", MODEL, Slow(400_000)), "directory": "loras"}
    path = live_server.workspace / "ComfyUI" / "models" / "loras" / "m.safetensors"
    with live_server.client() as client:
        job = client.post("/api/downloads/start", json=body).json()
        waiting = client.post("/api/downloads/start", json={**body, "directory": "vae"}).json()
        client.post(f"/api/downloads/{waiting['id']}/pause")
        wait_until(client, job["id"], lambda _: (partial_bytes(path) or 0) > MODEL.size / 3)
    live_server.kill()
    before = sum(seen.bytes_sent for seen in model_host.requests_of("/m.safetensors"))
    model_host.put("/m.safetensors", MODEL)
    live_server.start()
    with live_server.client() as client:
        done = wait_until(client, job["id"], lambda shown: shown["state"] == "completed")
        paused = client.get(f"/api/downloads/{waiting['id']}").json()

    assert paused["state"] == "paused"
    assert done["created_at"] == job["created_at"]
    assert MODEL.is_in(path)
    after = sum(seen.bytes_sent for seen in model_host.requests_of("/m.safetensors")) - before
    assert after < MODEL.size * 0.75
