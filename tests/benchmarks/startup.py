"""From process start to the first 200, and what an idle Hearth costs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

import psutil

from tests.benchmarks.figures import ROOT, Figure
from tests.live import free_port

_ROUNDS = 7
_SETTLE_S = 3


def measure() -> list[Figure]:
    """Start Hearth several times on one workspace; the predecessor needed 568 ms and 72 MiB on such a machine."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        _start(workspace)  # migrates and compiles; a second start is what people wait for
        rounds = [_start(workspace) for _ in range(_ROUNDS)]
        first = tempfile.mkdtemp(dir=folder)
        fresh = _start(Path(first))
    return [
        Figure("process start to first 200, median", statistics.median(r[0] for r in rounds) * 1000, "ms", at_most=568),
        Figure(
            "processor time of it, which other work on the machine hardly changes",
            min(r[3] for r in rounds) * 1000,
            "ms",
        ),
        Figure("the same on an empty workspace", fresh[0] * 1000, "ms"),
        Figure("memory when idle (RSS)", statistics.median(r[1] for r in rounds), "MiB", at_most=72),
        Figure("processor when idle", statistics.median(r[2] for r in rounds), "%", at_most=1),
    ]


def _start(workspace: Path) -> tuple[float, float, float, float]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "backend.main:app", "--host", "127.0.0.1", "--port", str(port)]
    environ = {**os.environ, "WORKSPACE": str(workspace), "ACCESS_PASSWORD": "measuring-only", "LOG_LEVEL": "warning"}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installation keeps what it has compiled
    begin = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        seconds = _wait_for_health(port, begin)
        seen = psutil.Process(process.pid)
        spent = seen.cpu_times()
        time.sleep(1)  # let the last tasks of the start end; what follows is the idle state
        before = seen.cpu_times()
        time.sleep(_SETTLE_S)
        after = seen.cpu_times()
        cpu_percent = (after.user + after.system - before.user - before.system) / _SETTLE_S * 100
        return seconds, seen.memory_info().rss / 2**20, cpu_percent, spent.user + spent.system
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for_health(port: int, begin: float) -> float:
    while time.monotonic() - begin < 30:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/api/health")
            if connection.getresponse().status == 200:
                return time.monotonic() - begin
        except OSError:
            time.sleep(0.003)
        finally:
            connection.close()
    raise RuntimeError("Hearth did not answer within 30 seconds")
