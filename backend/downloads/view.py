"""The one shape of a job, for the API and the WebSocket alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import cast

from backend.errors import JSON


@dataclass(frozen=True, slots=True)
class DownloadFile:
    """One file of a job as it is shown; speeds in bytes per second, times in seconds, ratios from 0 to 1."""

    id: str
    directory: str
    name: str
    url: str
    state: str
    bytes_total: int | None
    bytes_done: int
    progress_ratio: float | None
    speed_bytes_s: int | None
    eta_s: int | None
    attempts: int
    connections: int
    stalled_s: float | None
    retry_in_s: float | None
    sha256: str | None
    verified: bool | None
    path: str | None
    shared_with: list[str]
    error: dict[str, JSON] | None


@dataclass(frozen=True, slots=True)
class DownloadJob:
    """A job as it is shown; ``position`` is its place in the queue from 0, None once it has ended."""

    id: str
    kind: str
    name: str
    preset_id: str | None
    state: str
    priority: int
    position: int | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    bytes_total: int | None
    bytes_done: int
    progress_ratio: float | None
    speed_bytes_s: int | None
    eta_s: int | None
    attempts: int
    error: dict[str, JSON] | None
    files: list[DownloadFile]

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values."""
        return cast("dict[str, JSON]", asdict(self))
