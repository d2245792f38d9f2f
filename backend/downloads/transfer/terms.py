"""What is asked of the engine, what it shows while it works, and what it hands back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backend.sources import RemoteFile


class Phase(StrEnum):
    """What a transfer is doing; it may go back from downloading to connecting when the file begins anew."""

    CONNECTING = "connecting"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    PUBLISHING = "publishing"


@dataclass(slots=True)
class Wanted:
    """One file to fetch.

    Args:
        resolve: Finds where the bytes are; asked at the start and again when a signed address has expired.
        size_bytes: Exact length, if somebody promised one.
        sha256: 64 lower-case hex digits, if somebody promised them.
        replace: Put the verified file in the place of one with another content that is there now.
    """

    destination: Path
    resolve: Callable[[], Awaitable[RemoteFile]]
    size_bytes: int | None = None
    sha256: str | None = None
    replace: bool = False


@dataclass(slots=True)
class Meter:
    """Counters that anybody may read at any time; only the engine writes them.

    ``bytes_done`` counts what arrived and what an earlier run left, ``bytes_verified`` what was hashed, ``attempts`` the
    failures that were tried again, ``restarts`` how often the file began anew (``bytes_done`` then falls). Times are
    seconds of the monotonic clock; ``waiting_until`` is set during a pause.
    """

    phase: Phase = Phase.CONNECTING
    bytes_total: int | None = None
    bytes_done: int = 0
    bytes_verified: int = 0
    connections: int = 0
    attempts: int = 0
    resumed_from: int = 0
    restarts: int = 0
    last_byte_at: float = 0.0
    waiting_until: float | None = None
    last_error: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file in its place.

    ``verified``: a sha256 was promised and is the file's. ``source_url`` carries no secret. ``fetched_bytes`` is what came
    over the network, ``resumed_from`` what was there before.
    """

    path: Path
    size_bytes: int
    sha256: str
    verified: bool
    source_url: str
    resumed_from: int
    fetched_bytes: int
    seconds: float
    attempts: int
    restarts: int
