"""A job and its files: the values, the states they may be in, and the moves between them.

A job has no state of its own: it is what its files make it. Records are frozen; whoever changes one makes a new one and
stores it before anything follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from backend.errors import JSON, HearthError
from backend.kit.clock import utc_now
from backend.kit.lifecycle import Lifecycle
from backend.kit.redact import redact


class DownloadState(StrEnum):
    """Where a file, and so its job, stands."""

    QUEUED = "queued"
    RESOLVING = "resolving"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PAUSED = "paused"
    BLOCKED = "blocked"


class JobKind(StrEnum):
    """What was asked for: a preset, or an address of the user's own."""

    PRESET = "preset"
    URL = "url"


RUNNING = frozenset({DownloadState.RESOLVING, DownloadState.DOWNLOADING, DownloadState.VERIFYING})
ENDED = frozenset({DownloadState.COMPLETED, DownloadState.FAILED, DownloadState.CANCELLED})

_OUT_OF_WORK = ENDED | {DownloadState.QUEUED, DownloadState.PAUSED, DownloadState.BLOCKED}

LIFECYCLE = Lifecycle(
    {
        DownloadState.QUEUED: RUNNING | _OUT_OF_WORK,
        DownloadState.RESOLVING: RUNNING | _OUT_OF_WORK,
        DownloadState.DOWNLOADING: RUNNING | _OUT_OF_WORK,
        DownloadState.VERIFYING: RUNNING | _OUT_OF_WORK,
        # Paused and blocked files complete when another job brings the same file.
        DownloadState.PAUSED: {DownloadState.QUEUED, DownloadState.COMPLETED, DownloadState.CANCELLED},
        DownloadState.BLOCKED: {
            DownloadState.QUEUED, DownloadState.PAUSED, DownloadState.COMPLETED, DownloadState.CANCELLED,
        },
        # A failed file of a job that is cancelled as a whole goes with it.
        DownloadState.FAILED: {DownloadState.QUEUED, DownloadState.CANCELLED},
        # Completed: the last byte had been published when the cancel arrived.
        DownloadState.CANCELLED: {DownloadState.QUEUED, DownloadState.COMPLETED},
        # Queued again by a retry, when the file has been removed since.
        DownloadState.COMPLETED: {DownloadState.QUEUED},
    }
)  # fmt: skip

# A job is in the first of these states that any of its files is in.
_PRECEDENCE = (
    DownloadState.DOWNLOADING,
    DownloadState.VERIFYING,
    DownloadState.RESOLVING,
    DownloadState.QUEUED,
    DownloadState.BLOCKED,
    DownloadState.PAUSED,
    DownloadState.FAILED,
    DownloadState.CANCELLED,
    DownloadState.COMPLETED,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as it is kept and shown.

    ``waits_for`` is the host whose token or licence would help; ``waits_for_space`` says that free space would.
    """

    code: str
    message: str
    hint: str
    details: Mapping[str, JSON]
    waits_for: str | None = None
    waits_for_space: bool = False

    @classmethod
    def of(cls, error: HearthError, *, waits_for: str | None = None, waits_for_space: bool = False) -> Problem:
        """Keep *error* without secrets."""
        return cls(error.code, redact(error.message), redact(error.hint), error.details, waits_for, waits_for_space)

    def as_dict(self) -> dict[str, JSON]:
        """Shape the problem as every error of the API."""
        shape: dict[str, JSON] = {"code": self.code, "message": self.message, "hint": self.hint}
        if self.details:
            shape["details"] = self.details
        return shape


@dataclass(frozen=True, slots=True)
class JobFile:
    """One file of a job.

    ``size_bytes`` and ``sha256`` are what was promised when the job was made; ``bytes_total`` and ``found_sha256`` what
    the transfer learned. ``destination`` (where it belongs) and ``path`` (where it lies) are worked out at every start. ``url_was_cut`` says that the
    address lost its signature when it was stored, so nothing can be fetched from it.
    """

    id: str
    directory: str
    name: str
    url: str
    revision: str | None = None
    size_bytes: int | None = None
    size_estimate_bytes: int | None = None
    sha256: str | None = None
    state: DownloadState = DownloadState.QUEUED
    bytes_total: int | None = None
    bytes_done: int = 0
    attempts: int = 0
    found_sha256: str | None = None
    verified: bool | None = None
    problem: Problem | None = None
    destination: Path | None = None
    path: Path | None = None
    url_was_cut: bool = False

    @property
    def expected_bytes(self) -> int | None:
        """The best knowledge of the size: learned, else promised, else estimated."""
        return next(
            (size for size in (self.bytes_total, self.size_bytes, self.size_estimate_bytes) if size is not None), None
        )

    @property
    def running(self) -> bool:
        """Whether somebody works on it now."""
        return self.state in RUNNING

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in ENDED

    @property
    def waits_for_space(self) -> bool:
        """Whether it is parked until there is room on its disk."""
        return self.state is DownloadState.BLOCKED and self.problem is not None and self.problem.waits_for_space

    def moved(self, state: DownloadState, **facts: Any) -> JobFile:
        """Return the file in *state*; a problem is kept only by the states that have one.

        Raises:
            IllegalTransition: The lifecycle does not allow it.
        """
        LIFECYCLE.check(self.state, state)
        facts.setdefault("problem", None)
        return replace(self, state=state, **facts)


@dataclass(frozen=True, slots=True)
class Job:
    """What somebody asked for. The queue is ordered by falling ``priority``, then rising ``rank``."""

    id: str
    kind: JobKind
    name: str
    preset_id: str | None
    files: tuple[JobFile, ...]
    created_at: datetime
    priority: int = 0
    rank: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def state(self) -> DownloadState:
        """What the files make of the job."""
        found = {file.state for file in self.files}
        return next(state for state in _PRECEDENCE if state in found)

    @property
    def ended(self) -> bool:
        """Whether the job belongs to the history."""
        return self.state in ENDED

    @property
    def order(self) -> tuple[int, int]:
        """Sort key within the queue."""
        return (-self.priority, self.rank)

    @property
    def problem(self) -> Problem | None:
        """What stands in the way: the problem of the file that gives the job its state, else of any file."""
        problems = [(file.state is not self.state, file.problem) for file in self.files if file.problem is not None]
        return min(problems, key=lambda found: found[0])[1] if problems else None

    def mentions(self, text: str) -> bool:
        """Tell whether *text* stands in its name, preset or file names, in any case of letters."""
        words = (self.name, self.preset_id or "", *(file.name for file in self.files))
        return any(text.casefold() in word.casefold() for word in words)

    def files_in(self, state: DownloadState) -> tuple[JobFile, ...]:
        """Return the files in one state."""
        return tuple(file for file in self.files if file.state is state)

    def placed(self, priority: int, rank: int) -> Job:
        """Return the job at another place in the queue."""
        return replace(self, priority=priority, rank=rank)

    def with_files(self, changed: Mapping[str, JobFile]) -> Job:
        """Return the job with some files exchanged, and the times that follow from the new state."""
        files = tuple(changed.get(file.id, file) for file in self.files)
        job = replace(self, files=files)
        now = utc_now()
        if job.started_at is None and job.state in RUNNING:
            job = replace(job, started_at=now)
        if job.ended and (self.finished_at is None or not self.ended):
            job = replace(job, finished_at=now)
        elif not job.ended and self.finished_at is not None:
            job = replace(job, finished_at=None)
        return job
