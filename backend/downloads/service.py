"""The download queue as the rest of Hearth sees it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from backend.database import Database
from backend.downloads.ports import Folders, PresetFiles, Records, Resolve
from backend.downloads.transfer import TransferEngine
from backend.downloads.view import DownloadJob
from backend.events import Hub


@dataclass(frozen=True, slots=True)
class QueueTotals:
    """The queue in numbers; ``bytes_left`` counts only files whose size is known."""

    paused: bool
    active: int
    waiting: int
    bytes_left: int
    speed_bytes_s: int
    eta_s: int | None


@dataclass(frozen=True, slots=True)
class DownloadPage:
    """One page of jobs, the queue in its order first, then the history, newest first."""

    items: Sequence[DownloadJob]
    total: int
    queue: QueueTotals


class DownloadService:
    """Queue downloads, steer them, and tell how they stand."""

    def __init__(
        self,
        *,
        database: Database,
        engine: TransferEngine,
        resolve: Resolve,
        paths: Folders,
        files_of: Callable[[str], PresetFiles],
        ledger: Records,
        hub: Hub,
        max_parallel: int,
        reserve_bytes: int,
        retries: int,
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def download_preset(self, preset_id: str, *, priority: int = 0) -> DownloadJob:
        raise NotImplementedError

    async def download_url(
        self, url: str, directory: str, name: str | None = None, sha256: str | None = None, *, priority: int = 0
    ) -> DownloadJob:
        raise NotImplementedError

    async def cancel_download(self, job_id: str, *, keep_partial: bool = True) -> bool:
        raise NotImplementedError

    async def get_progress(self, job_id: str) -> DownloadJob:
        raise NotImplementedError

    async def retry_failed(self, job_id: str) -> bool:
        raise NotImplementedError

    async def pause(self, job_id: str) -> DownloadJob:
        raise NotImplementedError

    async def resume(self, job_id: str) -> DownloadJob:
        raise NotImplementedError

    async def pause_all(self) -> QueueTotals:
        raise NotImplementedError

    async def resume_all(self) -> QueueTotals:
        raise NotImplementedError

    async def move(self, job_id: str, position: int) -> DownloadJob:
        raise NotImplementedError

    async def remove(self, job_id: str, *, keep_partial: bool = True) -> None:
        raise NotImplementedError

    async def clear_history(self, *, keep_partial: bool = True) -> int:
        raise NotImplementedError

    async def list(
        self,
        *,
        states: Collection[str] = (),
        active: bool | None = None,
        preset_id: str | None = None,
        query: str = "",
        limit: int = 100,
        offset: int = 0,
    ) -> DownloadPage:
        raise NotImplementedError

    def totals(self) -> QueueTotals:
        raise NotImplementedError

    def active_for(self, preset_id: str) -> DownloadJob | None:
        raise NotImplementedError

    def wake(self, host: str | None = None) -> None:
        raise NotImplementedError

    def set_max_parallel(self, files: int) -> None:
        raise NotImplementedError

    def set_reserve(self, reserve_bytes: int) -> None:
        raise NotImplementedError

    def activity(self) -> int:
        raise NotImplementedError
