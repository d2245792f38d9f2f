"""What a list costs, with one client and with fifty, signed in."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import psutil

from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.load import measure as load
from tests.live import LiveServer

_LIST = "/api/presets?limit=100"


def measure() -> list[Figure]:
    """Ask for the list of presets and for health; the predecessor: p95 1.05 ms alone, 41 ms with 50, without sign-in."""
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(Path(folder), LOG_LEVEL="warning").start()
        try:
            return asyncio.run(_measure(server))
        finally:
            server.stop()


async def _measure(server: LiveServer) -> list[Figure]:
    token = server.token
    await load(server.port, _LIST, token, connections=4, requests=50)  # warm up
    one = await load(server.port, _LIST, token, connections=1, requests=1000)
    process = psutil.Process(server.pid)
    before = process.cpu_times()
    fifty = await load(server.port, _LIST, token, connections=50, requests=100)
    after = process.cpu_times()
    cpu_ms = (after.user + after.system - before.user - before.system) / len(fifty) * 1000
    health = await load(server.port, "/api/health", token, connections=50, requests=100)
    return [
        Figure("list of presets, 1 client, p50", percentile(one, 0.5) * 1000, "ms"),
        Figure("list of presets, 1 client, p95", percentile(one, 0.95) * 1000, "ms", at_most=1.05),
        Figure("list of presets, 50 clients, p50", percentile(fifty, 0.5) * 1000, "ms"),
        Figure("list of presets, 50 clients, p95", percentile(fifty, 0.95) * 1000, "ms", at_most=35),
        Figure("processor per list", cpu_ms, "ms", at_most=0.75),
        Figure("health, 50 clients, p95", percentile(health, 0.95) * 1000, "ms", at_most=20),
    ]
