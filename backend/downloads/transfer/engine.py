"""The engine that all transfers share: one thread of libcurl, the limits, and the door to fetch one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from backend.downloads.transfer.terms import Fetched, Meter, Wanted
from backend.errors import HearthError

Explain = Callable[[str, int, Mapping[str, str], bytes], HearthError]


class TransferEngine:
    """Fetch files."""

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
        self._arguments = (
            explain, reserve_bytes, cafile, connections_per_file, connections_per_host, stall_timeout_s, retries,
            rate_limit_bytes_s, backoff_base_s,
        )  # fmt: skip

    @property
    def is_running(self) -> bool:
        """Whether files can be fetched."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin to work."""

    async def close(self) -> None:
        """End all transfers."""

    def set_rate_limit(self, bytes_s: int) -> None:
        """Limit all transfers together; 0 takes the limit away."""

    async def fetch(self, wanted: Wanted, meter: Meter) -> Fetched:
        """Fetch one file."""
        raise NotImplementedError
