"""A small HTTP/1.1 load generator: keep-alive connections, bounded in requests, on loopback only."""

from __future__ import annotations

import asyncio
import time


async def measure(port: int, path: str, token: str, *, connections: int, requests: int) -> list[float]:
    """Send *requests* GETs over each of *connections* and return the seconds that each answer took.

    Raises:
        RuntimeError: An answer was not 200.
    """
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    taken = await asyncio.gather(*(_one(port, head, requests) for _ in range(connections)))
    return [seconds for each in taken for seconds in each]


async def _one(port: int, head: bytes, requests: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken: list[float] = []
    try:
        for _ in range(requests):
            begin = time.perf_counter()
            writer.write(head)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.split(b"\r\n", 1)[0].decode())
            length = next(
                int(line.split(b":")[1]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            taken.append(time.perf_counter() - begin)
    finally:
        writer.close()
    return taken
