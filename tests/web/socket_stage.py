"""A real server with the WebSockets, a real door and a real hub; the queue and the presets are what a test makes them."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from backend.auth import Auth, Credentials, Identity
from backend.database import Database
from backend.downloads.errors import DownloadNotFound
from backend.downloads.view import DownloadJob, DownloadPage, QueueTotals
from backend.errors import JSON
from backend.events import Event, Hub
from backend.generation import GenerationNotFound, GenerationPage, Owner
from backend.generation.workflows import WorkflowLibrary
from backend.web import socket as sockets
from tests.secret_watch import watch

TOTALS = QueueTotals(False, 1, 0, 0, 0, None)


def job(job_id: str, state: str = "downloading") -> DownloadJob:
    times = ("2026-11-24T16:00:00+00:00", None, None)
    return DownloadJob(
        job_id, "url", "a.safetensors", None, state, 0, 0, *times, 100, 40, 0.4, None, None, 0, None, []
    )  # fmt: skip


class Downloads:
    """A queue with the jobs that a test puts into it."""

    def __init__(self) -> None:
        self.jobs = {"job1": job("job1"), "done": job("done", "completed")}
        self.while_listing: Callable[[], None] = lambda: None

    async def list(self, *, active: bool, limit: int) -> DownloadPage:
        items = [j for j in self.jobs.values() if (j.state != "completed") is active][:limit]
        if active:
            self.while_listing()
        return DownloadPage(items, len(items), TOTALS)

    async def get_progress(self, job_id: str) -> DownloadJob:
        if job_id not in self.jobs:
            raise DownloadNotFound("There is no such download.")
        return self.jobs[job_id]


class Presets:
    def states(self) -> Any:
        @dataclass
        class State:
            status: str

        @dataclass
        class Snapshot:
            states: dict[str, State] = field(default_factory=lambda: {"flux": State("installed")})

        return Snapshot()


class Generation:
    """What somebody generates: nothing of the owner of this stage, and something of another."""

    def may_see(self, owner: Owner, job_id: str) -> bool:
        return job_id != "theirs"

    def unfinished(self, owner: Owner) -> list[Any]:
        return []

    def backends(self) -> list[Any]:
        return []

    async def list(self, owner: Owner, *, states: Any, limit: int) -> GenerationPage:
        return GenerationPage([], 0)

    async def get(self, job_id: str, owner: Owner) -> Any:
        if job_id == "theirs":
            raise GenerationNotFound("There is no such generation.")
        return JobShown({"id": job_id, "state": "running"})


@dataclass
class JobShown:
    shape: dict[str, JSON]

    def as_dict(self) -> dict[str, JSON]:
        return self.shape


@dataclass
class Stage:
    """The parts that a socket asks, real where it matters: the door and the hub."""

    auth: Auth
    hub: Hub
    downloads: Downloads
    presets: Presets
    generation: Generation
    workflows: WorkflowLibrary
    port: int
    server: uvicorn.Server
    token: str = field(repr=False)
    session_id: str

    async def host_sample(self) -> dict[str, JSON]:
        return {"disks": [{"mount": "/", "free_bytes": 1}], "cpu": {"percent": 1.0}}

    def url(self, path: str, scheme: str = "ws") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    @asynccontextmanager
    async def watch(self, path: str = "/ws/downloads", **options: Any) -> AsyncIterator[ClientConnection]:
        """Connect as a script does."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with connect(self.url(path), additional_headers=headers, **options) as client:
            yield client

    async def owner(self) -> Identity:
        return await self.auth.identify(Credentials("GET", {"authorization": f"Bearer {self.token}"}))


@pytest.fixture(name="stage")
async def real_stage(anyio_backend: object, database: Database, tmp_path: Path, password: str) -> AsyncIterator[Stage]:
    """A real server on loopback with the sockets, a real door and a real hub."""
    auth = await Auth.open(database, tmp_path, access_password=password, session_hours=1, announce=print)
    signed_in = await auth.login(password, client="127.0.0.1", agent="test")
    app, state = FastAPI(), dict[str, Any]()
    app.include_router(sockets.router)

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = state
        await app(scope, receive, send)

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(with_state, log_config=None, lifespan="off", ws_max_size=64 * 1024))
    stage = Stage(
        auth, Hub(), Downloads(), Presets(), Generation(), WorkflowLibrary(tmp_path / "workflows"),
        listener.getsockname()[1], server, watch("session token", signed_in.access_token), signed_in.session_id,
    )  # fmt: skip
    state["services"] = stage
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    yield stage
    server.should_exit = True
    await asyncio.wait_for(task, 20)
    await auth.close()


async def until(condition: Callable[[], bool], deadline_s: float = 10) -> None:
    """Wait for *condition*, looking often; fail when it does not come."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


async def frame(client: ClientConnection) -> dict[str, Any]:
    return json.loads(await asyncio.wait_for(client.recv(), 10))


async def closing(client: ClientConnection) -> tuple[int, str]:
    """Read until the server closes; return its code and reason."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(10):
            async for _ in client:
                pass
    assert client.close_code is not None
    return client.close_code, client.close_reason or ""


def changed(job_id: str, state: str, **extra: JSON) -> Event:
    return Event("downloads", "download.changed", job_id, {"id": job_id, "state": state, **extra})


def progress(job_id: str, done: int) -> Event:
    return Event("downloads", "download.progress", job_id, {"bytes_done": done}, lasting=False)


async def collect(client: ClientConnection, into: list[tuple[float, dict[str, Any]]]) -> None:
    while True:
        into.append((time.monotonic(), json.loads(await client.recv())))
