"""Fetch one file with Hearth's transfer engine in a process of its own, and write down what it cost.

Measured from the call to the published, durable file: Hearth is a server that runs already when a download begins, so the
start of the interpreter and the loading of libcurl, which comes with the first file of a server's life, are not costs of a
transfer.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import resource
import time
from pathlib import Path

from backend.downloads.transfer import Meter, TransferEngine, Wanted
from backend.errors import HearthError
from backend.sources import RemoteFile

_BEAT_S = 0.005


async def fetch(
    url: str, destination: Path, sha256: str | None, cafile: str | None, connections: int
) -> dict[str, float]:
    """Fetch *url* and return seconds, processor seconds, and the event loop's lag (99th percentile) in milliseconds."""
    remote = RemoteFile(
        url=url, identity=url, filename=None, size_bytes=None, sha256=None, revision=None, content_addressed=False,
        headers={},
    )  # fmt: skip

    async def resolve() -> RemoteFile:
        return remote

    engine = TransferEngine(
        explain=lambda _url, status, _headers, _body: HearthError(f"answered {status}"),
        cafile=cafile, connections_per_file=connections, reserve_bytes=lambda: 0,
    )  # fmt: skip
    engine.start()
    importlib.import_module("backend.downloads.transfer.transfer")
    try:
        lags: list[float] = []
        beat = asyncio.create_task(_beat(lags))
        begin, cpu_s = time.monotonic(), _cpu_s()
        await engine.fetch(Wanted(destination=destination, resolve=resolve, sha256=sha256), Meter())
        cost = {"seconds": time.monotonic() - begin, "cpu_s": _cpu_s() - cpu_s}
        beat.cancel()
    finally:
        await engine.close()
    return {**cost, "lag_ms": sorted(lags)[int(len(lags) * 0.99)] * 1000 if lags else 0.0}


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _beat(lags: list[float]) -> None:
    while True:
        begin = time.perf_counter()
        await asyncio.sleep(_BEAT_S)
        lags.append(time.perf_counter() - begin - _BEAT_S)


def main() -> None:
    """Fetch what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("destination", type=Path)
    parser.add_argument("--sha256")
    parser.add_argument("--cafile")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--cost-file", type=Path, required=True)
    options = parser.parse_args()
    cost = asyncio.run(fetch(options.url, options.destination, options.sha256, options.cafile, options.connections))
    options.cost_file.write_text(json.dumps(cost), "utf-8")


if __name__ == "__main__":
    main()
