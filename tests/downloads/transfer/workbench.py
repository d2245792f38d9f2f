"""A transfer engine on a folder of the test, and short ways to say what it should fetch."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from backend.downloads.transfer import Fetched, Meter, TransferEngine, Wanted, partial_bytes
from backend.sources import RemoteFile, Sources, Tokens
from tests.fakes.content import Content

DEADLINE_S = 30.0
MIB = 1 << 20


@dataclass
class Workbench:
    """Open with ``async with``. ``options`` are the engine's; ``reserve_bytes`` may be changed at any time."""

    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    reserve_bytes: int = 0
    name: str = "model.safetensors"
    meter: Meter = field(default_factory=Meter)
    resolved: int = 0

    async def __aenter__(self) -> Self:
        nowhere = "http://127.0.0.1:9"
        tokens = await asyncio.to_thread(Tokens.open, self.folder / "tokens.json", {})
        self.sources = Sources(hf_endpoint=nowhere, civitai_endpoint=nowhere, github_endpoint=nowhere, tokens=tokens)
        self.engine = TransferEngine(
            explain=self.sources.explain,
            reserve_bytes=lambda: self.reserve_bytes,
            **{"backoff_base_s": 0.02, "stall_timeout_s": 1.0, **self.options},
        )
        self.engine.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.engine.close()
        await self.sources.aclose()

    @property
    def destination(self) -> Path:
        """Where the file goes unless a test says otherwise."""
        return self.folder / "models" / self.name

    @property
    def part(self) -> Path:
        """The unfinished file."""
        return self.destination.with_name(self.name + ".part")

    @property
    def state(self) -> Path:
        """The state of the unfinished file."""
        return self.destination.with_name(self.name + ".part.json")

    @property
    def leftovers(self) -> list[str]:
        """Names of everything beside the finished file."""
        return sorted(path.name for path in self.destination.parent.iterdir() if path != self.destination)

    def remote(self, url: str, **facts: Any) -> RemoteFile:
        """Name a place; its identity is its path unless a test says otherwise."""
        return RemoteFile(url, **{"identity": url.partition("?")[0], **facts})

    async def fetch(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        hub_sha256: str | None = None,
        content_addressed: bool = False,
        destination: Path | None = None,
        meter: Meter | None = None,
        **wanted: Any,
    ) -> Fetched:
        """Fetch *url*; keyword arguments are those of ``Wanted``."""
        remote = self.remote(
            url, sha256=hub_sha256, content_addressed=content_addressed, headers=dict(headers or {}), revision="r1"
        )

        async def resolve() -> RemoteFile:
            self.resolved += 1
            return remote

        if meter is None:
            meter = self.meter = Meter()
        async with asyncio.timeout(DEADLINE_S):
            return await self.engine.fetch(Wanted(destination or self.destination, resolve, **wanted), meter)

    async def interrupted(self, url: str, at: int, **wanted: Any) -> int:
        """Fetch until *at* bytes have arrived, cancel, and return how many are durable."""
        task = asyncio.ensure_future(self.fetch(url, **wanted))
        await until(lambda: self.meter.bytes_done >= at or task.done())
        assert not task.done(), task
        task.cancel()
        await asyncio.wait({task})
        return await self.durable_bytes() or 0

    async def durable_bytes(self) -> int | None:
        """Return what a later run will find."""
        return await asyncio.to_thread(partial_bytes, self.destination)

    async def holds(self, content: Content, destination: Path | None = None) -> bool:
        """Tell whether the destination is that content, whole, with nothing left beside it."""
        return await asyncio.to_thread(content.is_in, destination or self.destination)


async def until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Wait for a condition without blocking the loop."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


def resident_bytes() -> int:
    """Return the memory of this process that is its own."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        fields = statm.read().split()
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
