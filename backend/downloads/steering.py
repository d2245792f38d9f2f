"""What a person may do to a job, as pure changes of its record; each refuses where the job's state has no room for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from backend.downloads.errors import IllegalDownloadState
from backend.downloads.job import DownloadState, Job, JobFile

Numbers: TypeAlias = Callable[[JobFile], Mapping[str, int]]


def paused(job: Job, numbers: Numbers) -> Job:
    """Pause what has not ended; *numbers* tells how far a running file has come.

    Raises:
        IllegalDownloadState: Everything has ended.
    """
    _refuse_ended(job, "pause")
    concerned = [file for file in job.files if not file.ended and file.state is not DownloadState.PAUSED]
    return _exchange(job, {file.id: file.moved(DownloadState.PAUSED, **numbers(file)) for file in concerned})


def resumed(job: Job) -> Job:
    """Queue what was paused or blocked.

    Raises:
        IllegalDownloadState: Everything has ended.
    """
    _refuse_ended(job, "resume")
    waiting = (DownloadState.PAUSED, DownloadState.BLOCKED)
    return _exchange(job, {file.id: file.moved(DownloadState.QUEUED) for file in job.files if file.state in waiting})


def cancelled(job: Job, numbers: Numbers) -> Job:
    """Give up what is not completed; a cancelled job stays as it is.

    Raises:
        IllegalDownloadState: It has completed or failed.
    """
    if job.state is DownloadState.CANCELLED:
        return job
    _refuse_ended(job, "cancel")
    concerned = [file for file in job.files if file.state not in (DownloadState.COMPLETED, DownloadState.CANCELLED)]
    return _exchange(job, {file.id: file.moved(DownloadState.CANCELLED, **numbers(file)) for file in concerned})


def retried(job: Job, placed: Mapping[str, JobFile]) -> Job:
    """Queue what is not there: files that failed, were cancelled or are blocked, and completed ones removed since.

    Args:
        placed: For every file the record with its place as it is now; a completed one without a path has been removed.
    Raises:
        IllegalDownloadState: It has not failed, been cancelled or been blocked.
    """
    again = (DownloadState.FAILED, DownloadState.CANCELLED, DownloadState.BLOCKED)
    if job.state not in again:
        raise _refusal(job, "retry")
    concerned = [
        file
        for file in job.files
        if file.state in again or (file.state is DownloadState.COMPLETED and placed[file.id].path is None)
    ]
    return _exchange(
        job,
        {
            file.id: file.moved(
                DownloadState.QUEUED,
                destination=placed[file.id].destination,
                path=None,
                bytes_done=placed[file.id].bytes_done if file.state is not DownloadState.COMPLETED else 0,
                attempts=0,
                found_sha256=None,
                verified=None,
            )
            for file in concerned
        },
    )


def woken(job: Job, host: str) -> Job:
    """Queue the files that wait for a token or licence at *host*."""
    concerned = [
        file
        for file in job.files
        if file.state is DownloadState.BLOCKED and file.problem is not None and file.problem.waits_for == host
    ]
    return _exchange(job, {file.id: file.moved(DownloadState.QUEUED) for file in concerned})


def moved(queue: Sequence[Job], job: Job, position: int) -> list[Job]:
    """Return the jobs whose place changes when *job* goes to *position*, counted from 0.

    Where priorities would contradict the place, the job takes on the priority of its new neighbourhood.

    Raises:
        IllegalDownloadState: The job has ended, so it has no place.
    """
    _refuse_ended(job, "move")
    others = [other for other in queue if other.id != job.id]
    place = min(position, len(others))
    before, after = others[:place], others[place:]
    priority = job.priority
    if after:
        priority = max(priority, after[0].priority)
    if before:
        priority = min(priority, before[-1].priority)
    order = [*before, job.placed(priority, job.rank), *after]
    renumbered = [other.placed(other.priority, rank) for rank, other in enumerate(order, start=1)]
    known = {other.id: other for other in queue}
    return [other for other in renumbered if other.order != known[other.id].order]


def refuse_unended(job: Job) -> None:
    """Make sure that *job* belongs to the history.

    Raises:
        IllegalDownloadState: It does not.
    """
    if not job.ended:
        raise IllegalDownloadState(
            f"{job.name} is {job.state}; only what has ended can be removed.",
            hint="Cancel it first.",
            details={"state": str(job.state)},
        )


def too_late(job: Job) -> IllegalDownloadState:
    """Say that the last byte was there before a cancel."""
    return IllegalDownloadState(
        f"{job.name} was complete before it could be cancelled.", details={"state": str(job.state)}
    )


def _exchange(job: Job, changed: Mapping[str, JobFile]) -> Job:
    return job.with_files(changed) if changed else job


def _refuse_ended(job: Job, verb: str) -> None:
    if job.ended:
        raise _refusal(job, verb)


def _refusal(job: Job, verb: str) -> IllegalDownloadState:
    return IllegalDownloadState(
        f"{job.name} is {job.state}, so there is nothing to {verb}.", details={"state": str(job.state)}
    )
