"""Generations over HTTP: codes, shapes, rights, events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import connect

from tests import secret_watch
from tests.conftest import client_of, running
from tests.fakes.comfyui import SimulatedComfyUI
from tests.generation import graphs
from tests.live import LiveServer

pytestmark = pytest.mark.anyio

KEYS = {
    "id", "state", "kind", "workflow_id", "workflow_version", "title", "owner", "source", "priority", "position",
    "created_at", "started_at", "finished_at", "progress_ratio", "step", "node", "nodes", "eta_s", "backend", "attempts",
    "seed", "n", "inputs", "results", "error",
}  # fmt: skip


@pytest.fixture(name="comfyui")
def simulated(tmp_path: Path) -> Iterator[SimulatedComfyUI]:
    """A simulated ComfyUI with one checkpoint."""
    base = tmp_path / "comfyui"
    (base / "models" / "checkpoints").mkdir(parents=True)
    (base / "models" / "checkpoints" / "a.safetensors").write_bytes(b"x")
    with SimulatedComfyUI(base) as server:
        yield server


@pytest.fixture(name="app")
async def generating(
    make_app: Callable[..., FastAPI], anyio_backend: object, comfyui: SimulatedComfyUI
) -> AsyncIterator[FastAPI]:
    """An application with a backend that answers."""
    application = make_app(comfyui_url=comfyui.url)
    async with running(application):
        async with asyncio.timeout(20):
            while not application.state.lifespan_state["services"].generation.backends()[0].nodes:
                await asyncio.sleep(0.01)
        yield application


async def until(client: httpx2.AsyncClient, job_id: str, *states: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            job = (await client.get(f"/api/generations/{job_id}")).json()
            if job["state"] in (states or ("completed", "failed", "cancelled")):
                return job
            await asyncio.sleep(0.01)


def refused(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["hint"]
    return error


async def key_of(client: httpx2.AsyncClient, app: FastAPI, name: str, scope: str = "generate") -> httpx2.AsyncClient:
    answer = await client.post("/api/auth/keys", json={"name": name, "scope": scope})
    key = secret_watch.watch("API key", answer.json()["key"])
    return client_of(app, headers={"X-API-Key": key})


async def test_a_generation_from_the_request_to_the_file(client: httpx2.AsyncClient) -> None:
    """202 with the job and its address; then the same shape until it is complete, and the file behind its url."""
    answer = await client.post("/api/generations", json={"prompt": graphs.quick(), "title": "A colour"})
    job = answer.json()
    done = await until(client, job["id"])
    file = await client.get(done["results"][0]["url"])

    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/generations/{job['id']}"
    assert set(job) == set(done) == KEYS
    assert (job["state"], job["kind"], job["title"], job["source"]) == ("queued", "prompt", "A colour", "api")
    assert done["state"] == "completed"
    assert (file.status_code, file.headers["content-type"]) == (200, "image/png")
    assert len(file.content) == done["results"][0]["bytes"]


async def test_a_workflow_of_the_library_takes_inputs(client: httpx2.AsyncClient, app: FastAPI) -> None:
    """Its version and the values that went in are in the job; wrong ones are named before anything is stored."""
    library = app.state.lifespan_state["services"].workflows
    stored = await asyncio.to_thread(library.create, "Sampling", graphs.sample("a.safetensors"))
    body = {"workflow_id": stored.entry.id, "inputs": {"steps": 3}, "seed": 7, "n": 2}
    job = (await client.post("/api/generations", json=body)).json()
    done = await until(client, job["id"])
    wrong = await client.post("/api/generations", json={**body, "inputs": {"nonsense": 3}})
    unknown = await client.post("/api/generations", json={"workflow_id": "nothing"})

    assert (done["state"], done["kind"], done["title"]) == ("completed", "workflow", "Sampling")
    assert (done["workflow_id"], done["workflow_version"], done["seed"]) == (stored.entry.id, "1", 7)
    assert done["inputs"]["steps"] == 3
    assert len(done["results"]) == 2
    refused(wrong, 422, "invalid_inputs")
    refused(unknown, 404, "workflow_not_found")


async def test_refusals_have_codes(client: httpx2.AsyncClient) -> None:
    """Each names what is wrong and what to do."""
    post = client.post
    refused(await post("/api/generations", json={}), 422, "invalid_generation")
    refused(await post("/api/generations", json={"prompt": graphs.quick(), "n": 0}), 422, "invalid_request")
    model = refused(
        await post("/api/generations", json={"prompt": graphs.sample("b.safetensors")}), 422, "missing_model"
    )
    refused(
        await post("/api/generations", json={"prompt": {"1": {"class_type": "No", "inputs": {}}}}), 422, "missing_node"
    )
    refused(await post("/api/generations", json={"prompt": {"1": {}}}), 422, "invalid_input")
    refused(await client.get("/api/generations/nothing"), 404, "generation_not_found")
    refused(await client.get("/api/generations/nothing/events"), 404, "generation_not_found")
    refused(await client.get("/api/generations?state=nonsense"), 422, "invalid_generation")

    assert model["details"]["models"][0]["name"] == "b.safetensors"


async def test_the_same_key_answers_the_same_job(client: httpx2.AsyncClient) -> None:
    """Another request under it is refused."""
    headers = {"Idempotency-Key": "one"}
    first = await client.post("/api/generations", json={"prompt": graphs.quick()}, headers=headers)
    second = await client.post("/api/generations", json={"prompt": graphs.quick()}, headers=headers)
    other = await client.post("/api/generations", json={"prompt": graphs.quick(1)}, headers=headers)

    assert second.status_code == 202
    assert second.json()["id"] == first.json()["id"]
    refused(other, 409, "idempotency_conflict")


async def test_a_full_queue_says_when_to_come_back(
    make_app: Callable[..., FastAPI], comfyui: SimulatedComfyUI, password: str
) -> None:
    """429 with Retry-After."""
    async with running(make_app(comfyui_url=comfyui.url, max_queue_depth=1)) as app, client_of(app) as client:
        signed_in = await client.post("/api/auth/login", json={"password": password})
        client.headers["Authorization"] = f"Bearer {secret_watch.watch('token', signed_in.json()['access_token'])}"
        client.cookies.clear()
        comfyui.hold()
        first = (await client.post("/api/generations", json={"prompt": graphs.slow()})).json()
        await until(client, first["id"], "running")
        await client.post("/api/generations", json={"prompt": graphs.slow(2)})
        answer = await client.post("/api/generations", json={"prompt": graphs.slow(3)})
        comfyui.release()

    refused(answer, 429, "queue_full")
    assert int(answer.headers["Retry-After"]) > 0


async def test_cancel_and_retry(client: httpx2.AsyncClient) -> None:
    """DELETE is confirmed by ComfyUI; what is done cannot be cancelled, what was cancelled can be tried again."""
    job = (await client.post("/api/generations", json={"prompt": graphs.slow(seconds=8, steps=80)})).json()
    await until(client, job["id"], "running")
    cancelled = await client.delete(f"/api/generations/{job['id']}")
    again = await client.post(f"/api/generations/{job['id']}/retry")
    await client.delete(f"/api/generations/{job['id']}")
    done = (await client.post("/api/generations", json={"prompt": graphs.quick()})).json()
    await until(client, done["id"])

    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert again.json()["state"] == "queued"
    refused(await client.delete(f"/api/generations/{done['id']}"), 409, "illegal_generation_state")
    refused(await client.post(f"/api/generations/{done['id']}/retry"), 409, "illegal_generation_state")


async def test_users_see_their_own_alone(client: httpx2.AsyncClient, app: FastAPI) -> None:
    """By key; whoever may manage sees everything; whoever may only read makes nothing."""
    async with await key_of(client, app, "alice") as alice, await key_of(client, app, "bob") as bob:
        hers = (await alice.post("/api/generations", json={"prompt": graphs.quick()})).json()
        await until(alice, hers["id"])
        refused(await bob.get(f"/api/generations/{hers['id']}"), 404, "generation_not_found")
        refused(await bob.delete(f"/api/generations/{hers['id']}"), 404, "generation_not_found")
        refused(await bob.get(f"/api/generations/{hers['id']}/events"), 404, "generation_not_found")
        assert (await bob.get("/api/generations")).json()["total"] == 0
        assert (await alice.get("/api/generations")).json()["items"][0]["owner"] == "alice"
    async with await key_of(client, app, "reader", "read") as reader:
        refused(await reader.post("/api/generations", json={"prompt": graphs.quick()}), 403, "scope_missing")

    assert (await client.get("/api/generations")).json()["total"] == 1
    assert (await client.get("/api/generations?mine=true")).json()["total"] == 0


async def test_backends_are_shown_and_drained(client: httpx2.AsyncClient, app: FastAPI) -> None:
    """By whoever may manage."""
    (backend,) = (await client.get("/api/backends")).json()["items"]
    drained = await client.post(f"/api/backends/{backend['id']}/drain", json={})
    async with await key_of(client, app, "alice") as alice:
        refused(await alice.post(f"/api/backends/{backend['id']}/drain", json={}), 403, "scope_missing")

    assert (backend["state"], backend["version"], backend["draining"]) == ("ready", "0.3.64", False)
    assert drained.json()["draining"] is True
    refused(await client.post("/api/backends/nobody/drain", json={}), 404, "backend_not_found")


async def test_without_a_backend_the_hint_names_the_variables(make_app: Callable[..., FastAPI], password: str) -> None:
    """And everything else of Hearth works."""
    async with running(make_app()) as app, client_of(app) as client:
        signed_in = await client.post("/api/auth/login", json={"password": password})
        client.headers["Authorization"] = f"Bearer {secret_watch.watch('token', signed_in.json()['access_token'])}"
        client.cookies.clear()
        error = refused(await client.post("/api/generations", json={"prompt": graphs.quick()}), 503, "no_backend")
        assert (await client.get("/api/backends")).json() == {"items": []}

    assert "COMFYUI_URL" in error["hint"]


async def test_a_live_server_streams_events_and_previews(
    make_live_server: Callable[..., LiveServer], comfyui: SimulatedComfyUI
) -> None:
    """Server-sent events continue after the last one that was seen; the socket brings pictures in the making."""
    server = await asyncio.to_thread(lambda: make_live_server(COMFYUI_URL=comfyui.url))
    token = await asyncio.to_thread(lambda: server.token)
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=20) as client,
        connect(f"{server.url.replace('http', 'ws')}/ws/generations", additional_headers=headers) as socket,
    ):
        first = json.loads(await socket.recv())
        body = {"prompt": graphs.slow(previews=True, seconds=0.6)}
        job = (await client.post("/api/generations", json=body)).json()
        whole = (await client.get(f"/api/generations/{job['id']}/events")).text
        ids = [int(line[4:]) for line in whole.splitlines() if line.startswith("id: ")]
        again = await client.get(f"/api/generations/{job['id']}/events", headers={"Last-Event-ID": str(ids[0])})
        frames = [await asyncio.wait_for(socket.recv(), 10)]
        while not (isinstance(frames[-1], str) and json.loads(frames[-1])["data"].get("state") == "completed"):
            frames.append(await asyncio.wait_for(socket.recv(), 10))

    assert first["type"] == "snapshot"
    assert "event: generation.progress" in whole
    assert '"state":"completed"' in whole
    assert [int(line[4:]) for line in again.text.splitlines() if line.startswith("id: ")] == ids[1:]
    assert again.headers["content-type"].startswith("text/event-stream")
    pictures = [frame for frame in frames if isinstance(frame, bytes)]
    assert pictures
    length = int.from_bytes(pictures[0][:4], "big")
    assert json.loads(pictures[0][4 : 4 + length])["type"] == "generation.preview"
    assert pictures[0][4 + length :].startswith(b"\xff\xd8")
