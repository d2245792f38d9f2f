"""What all transfers of one engine use together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from backend.downloads.transfer.hosts import Hosts
from backend.downloads.transfer.throttle import Throttle
from backend.errors import HearthError

if TYPE_CHECKING:
    from backend.downloads.transfer.pump import Pump

Explain = Callable[[str, int, Mapping[str, str], bytes], HearthError]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shared:
    """The pump, the limits and the threads.

    ``threads`` are the engine's own: hashing to the end may take long, and must not hold up the rest of the process.
    """

    pump: Pump
    throttle: Throttle
    hosts: Hosts
    threads: ThreadPoolExecutor
    explain: Explain
    reserve_bytes: Callable[[], int]
    cafile: str | None
    connections_per_file: int
    retries: int
    backoff_base_s: float

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function; cancelled, it runs on and its result is dropped."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, lambda: function(*args, **kwargs))

    async def to_the_end(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function and wait for its end even when cancelled meanwhile; the cancellation then goes on."""
        work = asyncio.ensure_future(self.in_thread(function, *args, **kwargs))
        cancelled: asyncio.CancelledError | None = None
        while not work.done():
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError as error:
                cancelled = error
            except Exception:  # noqa: BLE001 -- raised by result() below
                break
        if cancelled is not None:
            raise cancelled
        return work.result()
