"""Memory and responsiveness while four files arrive at once."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import httpx2
import psutil

from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.load import measure as load
from tests.fakes.model_host import Content, ModelHost, Slow
from tests.live import LiveServer

_FILES = 4
_SIZE = 400 << 20
_RATE = 10e6  # bytes a second for each connection, so that further connections pay


def measure() -> list[Figure]:
    """Run 4 files with up to 4 connections each and look at the process meanwhile."""
    with tempfile.TemporaryDirectory(prefix="hearth-bench-") as folder, ModelHost() as host:
        server = LiveServer(Path(folder), LOG_LEVEL="warning", DOWNLOAD_CONNECTIONS_PER_FILE="4").start()
        try:
            return asyncio.run(_measure(server, host))
        finally:
            server.stop()


async def _measure(server: LiveServer, host: ModelHost) -> list[Figure]:
    process = psutil.Process(server.pid)
    idle = process.memory_info().rss
    headers = {"Authorization": f"Bearer {server.token}"}
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=20) as api:
        for number in range(_FILES):
            name = f"file-{number}.bin"
            host.put(f"/{name}", Content.random(_SIZE, seed=number + 50), Slow(_RATE))
            body = {"url": host.url(f"/{name}"), "directory": "checkpoints", "name": name}
            (await api.post("/api/downloads/start", json=body)).raise_for_status()
        await host.until(lambda seen: len({each.path for each in seen if each.bytes_sent > 4_000_000}) == _FILES)
        peak, health = 0, list[float]()
        while (await api.get("/api/downloads?active=true")).json()["total"]:
            peak = max(peak, process.memory_info().rss)
            health += await load(server.port, "/api/health", server.token, connections=1, requests=20)
            await asyncio.sleep(0.1)
    return [
        Figure("memory above idle with 4 files of up to 4 connections", (peak - idle) / 2**20, "MiB", at_most=200),
        Figure("health while 4 files run, p95", percentile(health, 0.95) * 1000, "ms", at_most=20),
    ]
