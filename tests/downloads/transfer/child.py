"""A process that fetches one file, to be killed, or to meet limits of its own: ``python -m … URL DESTINATION [SHA256]``.

It prints ``begun`` once bytes arrive, then the result or the code of the error.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from backend.downloads.transfer import Meter, TransferEngine, Wanted
from backend.errors import HearthError
from backend.sources import RemoteFile


def main(arguments: list[str]) -> None:
    """Fetch what the arguments say."""
    url, destination, *promise = arguments
    print(asyncio.run(_fetch(url, Path(destination), promise[0] if promise else None)), flush=True)


async def _fetch(url: str, destination: Path, sha256: str | None) -> str:
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
    telling = asyncio.ensure_future(_tell(meter))
    try:
        fetched = await engine.fetch(Wanted(destination, resolve, sha256=sha256), meter)
    except HearthError as error:
        return f"failed {error.code}"
    finally:
        telling.cancel()
        await engine.close()
    return f"fetched {fetched.resumed_from}"


async def _tell(meter: Meter) -> None:
    while meter.bytes_done <= meter.resumed_from:
        await asyncio.sleep(0.002)
    print("begun", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
