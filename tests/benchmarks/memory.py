"""Memory and responsiveness while four files arrive at once."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx2
import psutil

from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.load import measure as load
from tests.benchmarks.origin import origin
from tests.live import LiveServer

_FILES = 4
_SIZE = 400 << 20
_RESTING_ROUNDS = 20  # what the machine itself makes of it, for comparison
_RATE = 10e6  # bytes a second for each connection, so that further connections pay


def measure() -> list[Figure]:
    """Run 4 files with up to 4 connections each and look at the process meanwhile.

    The origin has a process of its own: its threads would keep the one who asks after Hearth's health waiting.
    """
    with (
        tempfile.TemporaryDirectory(prefix="hearth-bench-") as folder,
        origin(_SIZE, "--rate", str(_RATE), "--files", str(_FILES)) as facts,
    ):
        server = LiveServer(Path(folder), LOG_LEVEL="warning", DOWNLOAD_CONNECTIONS_PER_FILE="4").start()
        try:
            return asyncio.run(_measure(server, facts["urls"]))
        finally:
            server.stop()


async def _measure(server: LiveServer, urls: Sequence[str]) -> list[Figure]:
    process = psutil.Process(server.pid)
    idle = process.memory_info().rss
    headers = {"Authorization": f"Bearer {server.token}"}
    resting = [await _ask(server) for _ in range(_RESTING_ROUNDS)]
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=20) as api:
        for number, url in enumerate(urls):
            body = {"url": url, "directory": "checkpoints", "name": f"file-{number}.bin"}
            (await api.post("/api/downloads/start", json=body)).raise_for_status()
        while not await _all_are_under_way(api):
            await asyncio.sleep(0.05)
        peak, health = 0, list[float]()
        while (await api.get("/api/downloads?active=true")).json()["total"]:
            peak = max(peak, process.memory_info().rss)
            health += await _ask(server)
    return [
        Figure("memory above idle with 4 files of up to 4 connections", (peak - idle) / 2**20, "MiB", at_most=200),
        Figure("health while nothing runs, p95", percentile(itertools.chain(*resting), 0.95) * 1000, "ms"),
        Figure("health while 4 files run, p95", percentile(health, 0.95) * 1000, "ms", at_most=20),
    ]


async def _ask(server: LiveServer) -> list[float]:
    """Ask twenty times for Hearth's health, then rest for a moment; return the seconds that each answer took."""
    taken = await load(server.port, "/api/health", server.token, connections=1, requests=20)
    await asyncio.sleep(0.1)
    return taken


async def _all_are_under_way(api: httpx2.AsyncClient) -> bool:
    jobs = (await api.get("/api/downloads")).json()["items"]
    return all(job["bytes_done"] > 4_000_000 for job in jobs)
