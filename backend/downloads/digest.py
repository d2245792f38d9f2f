"""Read a file that is there already, so that it need not be fetched again."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

_BLOCK_BYTES = 1 << 20


async def sha256_of(path: Path, advanced: Callable[[int], None]) -> str:
    """Return the SHA-256 of *path* in lower-case hex, read in a thread.

    Args:
        advanced: Told the bytes read so far, in that thread.
    Raises:
        OSError: The file cannot be read.
    Cancelled: the reading ends within one block.
    """
    stop = threading.Event()
    try:
        return await asyncio.to_thread(_read, path, advanced, stop)
    finally:
        stop.set()


def _read(path: Path, advanced: Callable[[int], None], stop: threading.Event) -> str:
    digest = hashlib.sha256()
    done_bytes = 0
    block = memoryview(bytearray(_BLOCK_BYTES))
    with path.open("rb", buffering=0) as file:
        while not stop.is_set() and (size_bytes := file.readinto(block)):
            digest.update(block[:size_bytes])
            done_bytes += size_bytes
            advanced(done_bytes)
    return digest.hexdigest()
