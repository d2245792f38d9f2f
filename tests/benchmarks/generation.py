"""What a generation costs on its way through Hearth, beside the same graph sent to ComfyUI directly."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import psutil
from websockets.asyncio.client import ClientConnection, connect

from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.simulated import simulated
from tests.live import LiveServer

_WARM_UP = 10
_ROUNDS = 80
_BURST = 150
_CLIENTS = 8
_SOCKETS = 100
_WATCHED = 15
_FEW, _MANY = 200, 1000  # small jobs after which the memory is compared
_IN_FLIGHT = 16
_DEADLINE_S = 30
_ENDED = frozenset({"completed", "failed", "cancelled"})


def measure() -> list[Figure]:
    """Alternate between both ways, then look at the memory, fill the queue, and watch with many sockets."""
    with tempfile.TemporaryDirectory(prefix="hearth-bench-") as folder:
        workspace, base = Path(folder) / "hearth", Path(folder) / "ComfyUI"
        for each in (workspace, base):
            each.mkdir()
        with simulated(base) as url:
            server = LiveServer(workspace, LOG_LEVEL="warning", COMFYUI_URL=url).start()
            try:
                return asyncio.run(_measure(server, url))
            finally:
                server.stop()


@dataclass
class _Hearth:
    """Hearth as its clients have it: one session, one socket, a number for every graph."""

    api: httpx2.AsyncClient
    socket: ClientConnection
    pid: int
    numbers: Iterator[int]
    made: int = 0
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def submit(self, graph: dict[str, Any]) -> str:
        answer = await self.api.post("/api/generations", json={"prompt": graph})
        answer.raise_for_status()
        return answer.json()["id"]

    async def until_ended(self, job_id: str) -> None:
        """Read the socket until a job has ended well."""
        async with asyncio.timeout(_DEADLINE_S):
            while job_id not in self.ended:
                frame = await self.socket.recv()
                told = json.loads(frame) if isinstance(frame, str) else {}
                if told.get("type") == "generation.changed" and told["data"]["state"] in _ENDED:
                    self.ended[told["key"]] = told["data"]
        job = self.ended.pop(job_id)
        assert job["state"] == "completed", job
        assert len(job["results"]) == 1, job
        self.made += 1

    async def one(self) -> float:
        """Generate one small picture; return the seconds until it is said to be completed."""
        graph = _small(next(self.numbers))
        begin = time.perf_counter()
        await self.until_ended(await self.submit(graph))
        return time.perf_counter() - begin

    def memory(self) -> int:
        return psutil.Process(self.pid).memory_info().rss


async def _measure(server: LiveServer, url: str) -> list[Figure]:
    numbers = itertools.count(1)
    async with _hearth(server, numbers) as hearth:
        await _until_up(hearth)
        direct, through = await _both_ways(hearth, url, numbers)
        added = [slow - quick for slow, quick in zip(through, direct, strict=True)]
        few, many = await _memory(hearth)
        accepted = await _burst(hearth)
        heard = await _watched(server, hearth)
    return [
        Figure("small graph sent to ComfyUI directly, p50", percentile(direct, 0.5) * 1000, "ms"),
        Figure("the same through Hearth, p50", percentile(through, 0.5) * 1000, "ms"),
        Figure("added by Hearth, p50", percentile(added, 0.5) * 1000, "ms", at_most=10),
        Figure("added by Hearth, p95", percentile(added, 0.95) * 1000, "ms", at_most=25),
        Figure(f"jobs accepted, {_CLIENTS} clients", accepted, "1/s"),
        Figure(f"event to {_SOCKETS} sockets, p95", percentile(heard, 0.95) * 1000, "ms"),
        Figure(f"memory after {_MANY} jobs against after {_FEW}", many / few, "x", at_most=1.1),
    ]


@contextlib.asynccontextmanager
async def _hearth(server: LiveServer, numbers: Iterator[int]) -> AsyncIterator[_Hearth]:
    headers = {"Authorization": f"Bearer {server.token}"}
    async with (
        httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=20) as api,
        _watch(server) as socket,
    ):
        await socket.recv()  # the snapshot
        yield _Hearth(api, socket, server.pid, numbers)


def _watch(server: LiveServer) -> connect:
    return connect(f"ws://127.0.0.1:{server.port}/ws/generations?token={server.token}", max_size=None)


async def _until_up(hearth: _Hearth) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while True:
            answer = await hearth.api.post("/api/generations", json={"prompt": _small(next(hearth.numbers))})
            if answer.status_code == 202:
                break
            await asyncio.sleep(0.1)
    await hearth.until_ended(answer.json()["id"])


async def _both_ways(hearth: _Hearth, url: str, numbers: Iterator[int]) -> tuple[list[float], list[float]]:
    """Return the seconds of single generations, ComfyUI's own and Hearth's in turns."""
    direct, through = list[float](), list[float]()
    client_id = uuid.uuid4().hex
    address = f"{url.replace('http', 'ws', 1)}/ws?clientId={client_id}"
    async with httpx2.AsyncClient(base_url=url, timeout=20) as comfyui, connect(address, max_size=None) as socket:
        for _ in range(_WARM_UP + _ROUNDS):
            direct.append(await _directly(comfyui, socket, client_id, _small(next(numbers))))
            through.append(await hearth.one())
    return direct[_WARM_UP:], through[_WARM_UP:]


async def _directly(
    comfyui: httpx2.AsyncClient, socket: ClientConnection, client_id: str, graph: dict[str, Any]
) -> float:
    """Do what every client of ComfyUI does: send, listen, read the history, fetch the picture."""
    begin = time.perf_counter()
    answer = await comfyui.post("/prompt", json={"prompt": graph, "client_id": client_id})
    prompt_id = answer.raise_for_status().json()["prompt_id"]
    async with asyncio.timeout(_DEADLINE_S):
        while True:
            frame = await socket.recv()
            told = json.loads(frame) if isinstance(frame, str) else {}
            data = told.get("data", {})
            if told.get("type") == "executing" and data["node"] is None and data["prompt_id"] == prompt_id:
                break
    history = (await comfyui.get(f"/history/{prompt_id}")).json()
    (picture,) = history[prompt_id]["outputs"]["2"]["images"]
    (await comfyui.get("/view", params=picture)).raise_for_status()
    return time.perf_counter() - begin


async def _burst(hearth: _Hearth) -> float:
    """Return how many jobs a second are stored and acknowledged while the only ComfyUI is busy."""
    held = await hearth.submit(_busy(60))
    begin = time.perf_counter()

    async def client(share: int) -> list[str]:
        return [await hearth.submit(_small(next(hearth.numbers))) for _ in range(share)]

    asked = await asyncio.gather(*(client(_BURST // _CLIENTS) for _ in range(_CLIENTS)))
    seconds = time.perf_counter() - begin
    (await hearth.api.delete(f"/api/generations/{held}")).raise_for_status()
    jobs = [job_id for each in asked for job_id in each]
    for job_id in jobs:
        await hearth.until_ended(job_id)
    return len(jobs) / seconds


async def _watched(server: LiveServer, hearth: _Hearth) -> list[float]:
    """Return the seconds from each change of a job to its arrival at each of many sockets."""
    delays: list[float] = []

    async def listen(socket: ClientConnection) -> None:
        async for frame in socket:
            told = json.loads(frame) if isinstance(frame, str) else {}
            if told.get("type") == "generation.changed":
                delays.append(time.time() - datetime.fromisoformat(told["at"]).timestamp())

    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(_watch(server)) for _ in range(_SOCKETS)]
        listeners = [asyncio.create_task(listen(socket)) for socket in sockets]
        for _ in range(_WATCHED):
            await hearth.one()
        async with asyncio.timeout(_DEADLINE_S):
            # Queued, running, completed: three changes of each job.
            while len(delays) < 3 * _WATCHED * _SOCKETS:
                await asyncio.sleep(0.01)
        for listener in listeners:
            listener.cancel()
    return delays


async def _memory(hearth: _Hearth) -> tuple[int, int]:
    """Return the bytes that the process holds after some and after many small jobs."""
    seen: list[int] = []
    for limit in (_FEW, _MANY):
        while hearth.made < limit:
            count = min(_IN_FLIGHT, limit - hearth.made)
            jobs = [await hearth.submit(_small(next(hearth.numbers))) for _ in range(count)]
            for job_id in jobs:
                await hearth.until_ended(job_id)
        seen.append(hearth.memory())
    return seen[0], seen[1]


def _small(number: int) -> dict[str, Any]:
    """Save a picture that no earlier graph made, in a folder of its own: the simulated server counts its files."""
    image = {"width": 16, "height": 16, "batch_size": 1, "color": number}
    save = {"images": ["1", 0], "filename_prefix": f"{number}/small"}
    return {"1": {"class_type": "EmptyImage", "inputs": image}, "2": {"class_type": "SaveImage", "inputs": save}}


def _busy(seconds: float) -> dict[str, Any]:
    """Take long, in steps, so that it can be cancelled."""
    inputs = {"steps": int(seconds * 10), "seconds": seconds, "previews": False, "seed": 1}
    save = {"images": ["1", 0], "filename_prefix": "busy/picture"}
    return {"1": {"class_type": "TestSlowProgress", "inputs": inputs}, "2": {"class_type": "SaveImage", "inputs": save}}
