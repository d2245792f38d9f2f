"""A process that fetches one file, to be killed or to meet limits of its own; it tells once bytes arrive, then how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from backend.downloads.transfer import Meter, TransferEngine, Wanted
from backend.errors import HearthError
from backend.sources import RemoteFile


def fetch(url: str, destination: Path, sha256: str | None, tell: Callable[[str], None] = print) -> None:
    """Fetch *url* and tell ``begun``, then ``fetched`` or the code of the error."""
    tell(asyncio.run(_fetch(url, destination, sha256, tell)))


async def _fetch(url: str, destination: Path, sha256: str | None, tell: Callable[[str], None]) -> str:
    engine = TransferEngine(
        explain=lambda _url, status, _headers, _body: HearthError(f"status {status}"),
        reserve_bytes=lambda: 0,
        backoff_base_s=0.05,
        connections_per_file=4,
    )
    engine.start()

    async def resolve() -> RemoteFile:
        return RemoteFile(url, "the file")

    meter = Meter()
    telling = asyncio.ensure_future(_tell_begin(meter, tell))
    try:
        fetched = await engine.fetch(Wanted(destination, resolve, sha256=sha256), meter)
    except HearthError as error:
        return f"failed {error.code}"
    finally:
        telling.cancel()
        await engine.close()
    return f"fetched {fetched.resumed_from}"


async def _tell_begin(meter: Meter, tell: Callable[[str], None]) -> None:
    while meter.bytes_done <= meter.resumed_from:
        await asyncio.sleep(0.002)
    tell("begun")
