"""What watching costs, how fresh progress is, and how fast a cancelled download lets go."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
from websockets.asyncio.client import ClientConnection, connect

from tests.benchmarks.figures import Figure, percentile
from tests.fakes.model_host import Content, ModelHost, Slow
from tests.live import LiveServer

_SIZE = 512 << 20
_WATCHERS = 5
_SLOW_SIZE = 40_000_000
_SLOW_RATE = 8e6
_ENDED = frozenset({"completed", "failed", "cancelled", "blocked"})


def measure() -> list[Figure]:
    """Download with no and with five watchers, follow a slow download closely, cancel one."""
    with tempfile.TemporaryDirectory(prefix="hearth-bench-") as folder, ModelHost() as host:
        server = LiveServer(Path(folder), LOG_LEVEL="warning").start()
        try:
            return asyncio.run(_measure(server, host))
        finally:
            server.stop()


async def _measure(server: LiveServer, host: ModelHost) -> list[Figure]:
    async with _api(server) as api:
        costs = {watchers: list[float]() for watchers in (0, _WATCHERS)}
        for turn, watchers in enumerate((*costs, *reversed(costs)) * 2):
            costs[watchers].append(await _cost(server, host, api, watchers=watchers, seed=11 + turn))
        first, last, gaps = await _freshness(server, host, api)
        cancel_s = await _cancel(host, api)
    return [
        Figure("processor with 5 watchers against none", min(costs[_WATCHERS]) / min(costs[0]), "x", at_most=1.1),
        Figure("from POST to the first event", first * 1000, "ms", at_most=100),
        Figure("from the last byte to 'completed'", last * 1000, "ms"),
        Figure("between two progress events, p95", percentile(gaps, 0.95) * 1000, "ms", at_most=500),
        Figure("events a second", 1 / (sum(gaps) / len(gaps)), "1/s", at_most=10.5),
        Figure("from cancel to the closed socket", cancel_s * 1000, "ms", at_most=100),
    ]


@contextlib.asynccontextmanager
async def _api(server: LiveServer) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"Authorization": f"Bearer {server.token}"}
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=20) as client:
        yield client


def _watch(server: LiveServer) -> connect:
    return connect(f"ws://127.0.0.1:{server.port}/ws/downloads?token={server.token}", max_size=None)


async def _start(host: ModelHost, api: httpx2.AsyncClient, name: str, content: Content, *faults: Any) -> dict[str, Any]:
    host.put(f"/{name}", content, *faults)
    body = {"url": host.url(f"/{name}"), "directory": "checkpoints", "name": name, "sha256": content.sha256}
    answer = await api.post("/api/downloads/start", json=body)
    answer.raise_for_status()
    return answer.json()


async def _cost(server: LiveServer, host: ModelHost, api: httpx2.AsyncClient, *, watchers: int, seed: int) -> float:
    """Return the server's processor seconds for one large file.

    The file goes afterwards: the page cache would grow with each, and asking the host of a virtual machine for memory is no
    cost of Hearth.
    """
    process = psutil.Process(server.pid)
    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(_watch(server)) for _ in range(watchers)]
        readers = [asyncio.create_task(_drain(socket)) for socket in sockets]
        before = process.cpu_times()
        job = await _start(host, api, f"cost-{seed}.bin", Content.random(_SIZE, seed=seed))
        while (job := (await api.get(f"/api/downloads/{job['id']}")).json())["state"] not in _ENDED:
            await asyncio.sleep(0.2)
        after = process.cpu_times()
        for reader in readers:
            reader.cancel()
    assert job["state"] == "completed", job
    await asyncio.to_thread(Path(job["files"][0]["path"]).unlink)
    return after.user + after.system - before.user - before.system


async def _drain(socket: ClientConnection) -> None:
    async for _ in socket:
        pass


async def _freshness(server: LiveServer, host: ModelHost, api: httpx2.AsyncClient) -> tuple[float, float, list[float]]:
    """Return POST to first event, last byte to the end, and the gaps between progress events, in seconds."""
    async with _watch(server) as socket:
        json.loads(await socket.recv())  # the snapshot
        begin = time.monotonic()
        job = await _start(host, api, "slow.bin", Content.random(_SLOW_SIZE, seed=31), Slow(_SLOW_RATE))
        first, seen = 0.0, list[float]()
        while True:
            frame = json.loads(await socket.recv())
            now = time.monotonic()
            if frame["key"] != job["id"]:
                continue
            first = first or now - begin
            if frame["type"] == "download.progress":
                seen.append(now)
            elif frame["data"]["state"] in _ENDED:
                assert frame["data"]["state"] == "completed", frame
                break
        closed = max(seen_request.closed_at or 0 for seen_request in host.requests if seen_request.path == "/slow.bin")
    gaps = [after - before for before, after in itertools.pairwise(seen)]
    return first, max(0.0, now - closed), gaps


async def _cancel(host: ModelHost, api: httpx2.AsyncClient) -> float:
    job = await _start(host, api, "cancelled.bin", Content.random(_SIZE, seed=41), Slow(_SLOW_RATE))
    await host.until(lambda seen: any(each.path == "/cancelled.bin" and each.bytes_sent > 1_000_000 for each in seen))
    begin = time.monotonic()
    answer = await api.post(f"/api/downloads/{job['id']}/cancel")
    answer.raise_for_status()
    await host.until(lambda seen: all(each.closed_at for each in seen if each.path == "/cancelled.bin"))
    return time.monotonic() - begin
