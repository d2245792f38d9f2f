"""The engine that all transfers share: one thread of libcurl, the limits, and the door to fetch one file.

libcurl comes with the first file that is wanted: it is a tenth of the memory of a Hearth that fetches nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import certifi

from backend.downloads.errors import EngineStopped
from backend.downloads.transfer.hosts import Hosts
from backend.downloads.transfer.shared import Explain, Shared
from backend.downloads.transfer.terms import Fetched, Meter, Wanted
from backend.downloads.transfer.throttle import Throttle

if TYPE_CHECKING:
    from backend.downloads.transfer.pump import Pump
    from backend.downloads.transfer.transfer import Transfer

_THREADS = 16
# The libcurl inside pycurl's wheel looks where Red Hat keeps them, also on Debian.
_PLACES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


def _system_authorities() -> str:
    """Return the file of certificate authorities: the system's, which also knows those of a company, else certifi's."""
    candidates = (ssl.get_default_verify_paths().cafile, *_PLACES)
    return next((path for path in candidates if path and Path(path).is_file()), certifi.where())


_AUTHORITIES = _system_authorities()


class TransferEngine:
    """Fetch files.

    Args:
        explain: Names an answer of 400 and above: address, status, headers (lower case), first bytes of the body.
        reserve_bytes: Space that must stay free on the disk.
        cafile: Certificate authorities to trust; left out, those of the system.
        stall_timeout_s: A connection without a byte for that long is given up and made anew.
        retries: Failures in a row without progress before an error counts.
        rate_limit_bytes_s: For all transfers together; 0 is no limit.
        backoff_base_s: The first pause; it doubles up to 30 s.
    """

    def __init__(
        self,
        *,
        explain: Explain,
        reserve_bytes: Callable[[], int],
        cafile: str | None = None,
        connections_per_file: int = 8,
        connections_per_host: int = 16,
        stall_timeout_s: float = 30,
        retries: int = 3,
        rate_limit_bytes_s: int = 0,
        backoff_base_s: float = 1.0,
    ) -> None:
        self._throttle = Throttle(rate_limit_bytes_s)
        self._stall_timeout_s = stall_timeout_s
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="download")
        self._shared_with = partial(
            Shared,
            throttle=self._throttle,
            hosts=Hosts(connections_per_host),
            threads=self._threads,
            explain=explain,
            reserve_bytes=reserve_bytes,
            cafile=cafile or _AUTHORITIES,
            connections_per_file=connections_per_file,
            retries=retries,
            backoff_base_s=backoff_base_s,
        )
        self._shared: Shared | None = None
        self._turns: dict[Path, tuple[asyncio.Lock, int]] = {}
        self._tasks: set[asyncio.Task[Fetched]] = set()
        self._started = self._stopping = False

    @property
    def is_running(self) -> bool:
        """Whether files can be fetched."""
        return self._started and not self._stopping and (self._shared is None or self._shared.pump.is_alive)

    def start(self) -> None:
        """Begin to work."""
        self._started = True

    async def close(self) -> None:
        """End all transfers, keeping what arrived, and the engine's threads; a second time nothing is left to do."""
        if self._stopping:
            return
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._shared is not None:
            await asyncio.to_thread(self._shared.pump.close)
        await asyncio.to_thread(self._threads.shutdown)

    def set_rate_limit(self, bytes_s: int) -> None:
        """Limit all transfers together, also those that run; 0 takes the limit away."""
        self._throttle.rate_bytes_s = bytes_s
        if self._shared is not None:
            self._shared.pump.apply_rate_limit()

    async def fetch(self, wanted: Wanted, meter: Meter) -> Fetched:
        """Return when the file is in its place, whole, checked against what was promised, and durable.

        Two requests for one destination take turns; the second finds the file of the first.

        Raises:
            HearthError: Why it cannot be had. What arrived is kept for the next attempt unless it is worthless;
                ``retryable`` tells whether the same request may succeed later.
        Cancelled: the sockets are closed (within 100 ms) before anything else, what arrived is kept.
        """
        if not self.is_running:
            raise EngineStopped("Downloads are not running.")
        async with self._turn(wanted.destination):
            pump_class, transfer_class = await asyncio.to_thread(_load)
            if not self.is_running:
                raise EngineStopped("Downloads were stopped.")
            task = asyncio.ensure_future(transfer_class(self._begun(pump_class), wanted, meter).run())
            self._tasks.add(task)
            try:
                return await task
            except asyncio.CancelledError:
                if self._stopping and not _is_cancelled():
                    raise EngineStopped("Downloads were stopped.") from None
                raise
            finally:
                self._tasks.discard(task)

    def _begun(self, pump_class: type[Pump]) -> Shared:
        if self._shared is None:
            pump = pump_class(self._throttle, self._stall_timeout_s)
            pump.start()
            self._shared = self._shared_with(pump=pump)
        return self._shared

    @asynccontextmanager
    async def _turn(self, destination: Path) -> AsyncGenerator[None]:
        lock, waiting = self._turns.get(destination, (asyncio.Lock(), 0))
        self._turns[destination] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._turns.pop(destination)
            if waiting > 1:
                self._turns[destination] = (lock, waiting - 1)


def _load() -> tuple[type[Pump], type[Transfer]]:
    """Load what speaks to libcurl; blocking for some 30 ms at first."""
    from backend.downloads.transfer.pump import Pump
    from backend.downloads.transfer.transfer import Transfer

    return Pump, Transfer


def _is_cancelled() -> bool:
    """Tell whether somebody asked the current task to end, rather than the engine its inner one."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0
