"""What a command makes of a job's record."""

from __future__ import annotations

from dataclasses import replace

from backend.generation.errors import IllegalGenerationState
from backend.generation.job import Job, State


def cancelled(job: Job) -> Job:
    """Return the job as it is once its cancel is acknowledged: cancelled, or about to be when it runs.

    Raises:
        IllegalGenerationState: It had completed or failed.
    """
    if job.state is State.CANCELLED or job.cancelling:
        return job
    if job.ended:
        raise too_late(job)
    if job.state is State.QUEUED:
        return job.moved(State.CANCELLED)
    return replace(job, cancelling=True)


def retried(job: Job) -> Job:
    """Return the job queued again, with the takes that are done.

    Raises:
        IllegalGenerationState: It neither failed nor was cancelled.
    """
    if job.state not in (State.FAILED, State.CANCELLED):
        raise IllegalGenerationState(
            f"{job.title} is {job.state}, so there is nothing to retry.", details={"state": str(job.state)}
        )
    takes = tuple(
        take if take.is_done else replace(take, prompt_id=None, backend=None, attempts=0) for take in job.takes
    )
    return replace(job.moved(State.QUEUED, backend=None, started_at=None, cancelling=False), takes=takes)


def too_late(job: Job) -> IllegalGenerationState:
    """Say that a job had ended before it could be cancelled."""
    return IllegalGenerationState(
        f"{job.title} is {job.state}, so there is nothing to cancel.", details={"state": str(job.state)}
    )
