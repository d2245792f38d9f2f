"""How many connections one host gets from all transfers together, and how many have paid there before."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

Origin = tuple[str, str, int | None]


class Hosts:
    """Share the connections to each host; only the event loop calls it.

    Args:
        limit: Connections to one host at a time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._files: Counter[str] = Counter()
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._paid: dict[str, int] = {}

    def join(self, host: str) -> None:
        """Count a file that is fetched from *host*."""
        self._files[host] += 1

    def leave(self, host: str) -> None:
        """Count it off."""
        self._files[host] -= 1

    def share(self, host: str) -> int:
        """Return the connections that one file may have there now; at least 1."""
        return max(1, self._limit // max(1, self._files[host]))

    @asynccontextmanager
    async def slot(self, host: str) -> AsyncGenerator[None]:
        """Hold one connection to *host*; waits in line while all are taken."""
        slots = self._slots.setdefault(host, asyncio.Semaphore(self._limit))
        async with slots:
            yield

    def remember(self, host: str, connections: int) -> None:
        """Note how many connections paid, so that the next file begins with them."""
        self._paid[host] = connections

    def paid(self, host: str) -> int:
        """Return how many connections paid last time; 1 for a new host."""
        return self._paid.get(host, 1)


def host_of(url: str) -> str:
    """Return host and port as they stand in the address."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def origin_of(url: str) -> Origin:
    """Return what secrets are bound to: scheme, host and port (RFC 6454)."""
    parts = urlsplit(url)
    return (parts.scheme, (parts.hostname or "").lower(), parts.port or {"https": 443, "http": 80}.get(parts.scheme))
