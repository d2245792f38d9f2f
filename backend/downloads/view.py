"""The one shape of a job, for the API and the WebSocket alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

from pydantic import Field

from backend.downloads.address import shown_url
from backend.downloads.book import Book
from backend.downloads.job import RUNNING, DownloadState, Job, JobFile, JobKind
from backend.downloads.progress import ratio, time_left_s
from backend.downloads.transfers import Transfer, Transfers
from backend.errors import JSON
from backend.kit.clock import monotonic_s

_JOB_NUMBERS = ("id", "state", "bytes_total", "bytes_done", "progress_ratio", "speed_bytes_s", "eta_s", "attempts")
_FILE_NUMBERS = (*_JOB_NUMBERS, "connections", "stalled_s", "retry_in_s")


Count: TypeAlias = Annotated[int, Field(ge=0)]
Ratio: TypeAlias = Annotated[
    float, Field(ge=0, le=1, description="At most 0.99 until the content is verified", examples=[0.62])
]
Speed: TypeAlias = Annotated[
    int, Field(ge=0, description="Bytes per second, mean of the last 10 s", examples=[53687091])
]
Eta: TypeAlias = Annotated[int, Field(ge=0, description="Seconds left; null in the first 3 s", examples=[100])]
Shown: TypeAlias = Annotated[dict[str, Any], Field(description="code, message, hint and, where useful, details")]
Id: TypeAlias = Annotated[str, Field(examples=["019ab3f0c1d24f6e8a90b1c2"])]


@dataclass(frozen=True, slots=True)
class DownloadFile:
    """One file of a job as it is shown; speeds in bytes per second, times in seconds, ratios from 0 to 1."""

    id: Id
    directory: Annotated[str, Field(description="Category, with sub-folders", examples=["checkpoints"])]
    name: Annotated[str, Field(examples=["sd_xl_base_1.0.safetensors"])]
    url: Annotated[str, Field(description="Without secrets")]
    state: DownloadState
    bytes_total: Count | None
    bytes_done: Count
    progress_ratio: Ratio | None
    speed_bytes_s: Speed | None
    eta_s: Eta | None
    attempts: Annotated[int, Field(ge=0, description="Failures after which it was tried again")]
    connections: Count
    stalled_s: Annotated[float | None, Field(description="Seconds without a byte, once it is more than 5")]
    retry_in_s: Annotated[float | None, Field(description="Seconds until the host is asked again")]
    sha256: str | None
    verified: Annotated[
        bool | None, Field(description="Whether a promised checksum was met; null until it is complete")
    ]
    path: str | None
    shared_with: Annotated[list[str], Field(description="Other unfinished jobs that get the same file")]
    error: Shown | None


@dataclass(frozen=True, slots=True)
class DownloadJob:
    """A job as it is shown; ``position`` is its place in the queue from 0, None once it has ended."""

    id: Id
    kind: JobKind
    name: Annotated[str, Field(examples=["SDXL base"])]
    preset_id: Annotated[str | None, Field(examples=["sdxl-base"])]
    state: DownloadState
    priority: int
    position: Count | None
    created_at: Annotated[str, Field(examples=["2026-11-24T16:00:00+00:00"])]
    started_at: str | None
    finished_at: str | None
    bytes_total: Count | None
    bytes_done: Count
    progress_ratio: Ratio | None
    speed_bytes_s: Speed | None
    eta_s: Eta | None
    attempts: Count
    error: Shown | None
    files: list[DownloadFile]

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values."""
        return cast("dict[str, JSON]", asdict(self))

    def numbers(self) -> dict[str, JSON]:
        """Return only what changes while files run: the job's numbers, and those of its running files."""
        running = [file for file in self.files if file.state in RUNNING]
        files: list[JSON] = [{name: getattr(file, name) for name in _FILE_NUMBERS} for file in running]
        return {**{name: getattr(self, name) for name in _JOB_NUMBERS}, "files": files}


@dataclass(frozen=True, slots=True)
class QueueTotals:
    """The queue in numbers; ``bytes_left`` counts only files whose size is known.

    ``paused``: all was paused, and newcomers begin paused. ``active`` jobs have files under way, ``waiting`` are the other
    unfinished ones.
    """

    paused: bool
    active: Count
    waiting: Count
    bytes_left: Count
    speed_bytes_s: Speed
    eta_s: Eta | None


@dataclass(frozen=True, slots=True)
class DownloadPage:
    """One page of jobs, the queue in its order first, then the history, newest first."""

    items: Sequence[DownloadJob]
    total: int
    queue: QueueTotals


class Viewer:
    """Turn records and counters into the shape."""

    def __init__(self, book: Book, transfers: Transfers) -> None:
        self._book = book
        self._transfers = transfers

    def job(self, job: Job) -> DownloadJob:
        """Show one job as it is now."""
        now_s = monotonic_s()
        files = [self._file(job, file, now_s) for file in job.files]
        totals = [file.bytes_total for file in files]
        total = None if None in totals else sum(size for size in totals if size is not None)
        done = sum(file.bytes_done for file in files)
        speeds = [file.speed_bytes_s for file in files if file.speed_bytes_s is not None]
        speed = sum(speeds) if speeds else None
        tells_time = speed is not None and any(file.eta_s is not None for file in files)
        problem = job.problem
        return DownloadJob(
            id=job.id,
            kind=job.kind,
            name=job.name,
            preset_id=job.preset_id,
            state=job.state,
            priority=job.priority,
            position=self._book.queue.positions.get(job.id),
            created_at=job.created_at.isoformat(),
            started_at=job.started_at.isoformat() if job.started_at else None,
            finished_at=job.finished_at.isoformat() if job.finished_at else None,
            bytes_total=total,
            bytes_done=done,
            progress_ratio=ratio(done, total, complete=job.state is DownloadState.COMPLETED),
            speed_bytes_s=speed,
            eta_s=time_left_s(max(0, total - done), speed) if tells_time and total is not None and speed else None,
            attempts=sum(file.attempts for file in files),
            error=None if problem is None else problem.as_dict(),
            files=files,
        )

    def totals(self, *, paused: bool) -> QueueTotals:
        """Return the queue in numbers."""
        jobs = self._book.queue.jobs
        active = sum(1 for job in jobs if any(file.running for file in job.files))
        left, speed = self._left_bytes(), self._speed_bytes_s()
        return QueueTotals(paused, active, len(jobs) - active, left, speed, time_left_s(left, speed))

    def _left_bytes(self) -> int:
        """Count what the queue still has to fetch, as far as sizes are known; a shared file counts once."""
        left: dict[Path | None, int] = {}
        for file in (file for job in self._book.queue.jobs for file in job.files if not file.ended):
            total, done = self._extent(file)
            if total is not None:
                left[file.destination] = max(0, total - done)
        return sum(left.values())

    def _extent(self, file: JobFile) -> tuple[int | None, int]:
        """Return how many bytes the file has and how many of them are there, as the counters know it best."""
        transfer = self._transfers.of(file.id, file.destination)
        if transfer is None or not file.running:
            return file.expected_bytes, file.bytes_done
        total = transfer.meter.bytes_total
        return file.expected_bytes if total is None else total, transfer.bytes_done

    def _speed_bytes_s(self) -> int:
        now_s = monotonic_s()
        return round(sum(transfer.speed_bytes_s(now_s) or 0.0 for transfer in self._transfers.all()))

    def _file(self, job: Job, file: JobFile, now_s: float) -> DownloadFile:
        transfer = self._transfers.of(file.id, file.destination) if file.running else None
        meter = None if transfer is None else transfer.meter
        total, done = self._extent(file)
        complete = file.state is DownloadState.COMPLETED
        return DownloadFile(
            id=file.id,
            directory=file.directory,
            name=file.name,
            url=shown_url(file.url),
            state=file.state,
            bytes_total=total,
            bytes_done=done,
            progress_ratio=ratio(done, total, complete=complete),
            **_speeds(transfer, now_s, total),
            attempts=file.attempts if meter is None else meter.attempts,
            connections=0 if meter is None else meter.connections,
            stalled_s=None if transfer is None else transfer.stalled_s(now_s),
            retry_in_s=None if transfer is None else transfer.retry_in_s(now_s),
            sha256=file.found_sha256 or file.sha256,
            verified=file.verified,
            path=str(file.path) if file.path is not None else None,
            shared_with=self._shared_with(job, file),
            error=None if file.problem is None else file.problem.as_dict(),
        )

    def _shared_with(self, job: Job, file: JobFile) -> list[str]:
        if file.ended or file.destination is None:
            return []
        return [other for other in self._book.queue.owners.get(file.destination, ()) if other != job.id]


def _speeds(transfer: Transfer | None, now_s: float, total: int | None) -> dict[str, int | None]:
    speed = None if transfer is None else transfer.speed_bytes_s(now_s)
    return {
        "speed_bytes_s": None if speed is None else round(speed),
        "eta_s": None if transfer is None else transfer.eta_s(now_s, total),
    }
