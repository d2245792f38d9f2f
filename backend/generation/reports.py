"""What a runner says about its job: reports that must not be lost, and signals that may be."""

from __future__ import annotations

from dataclasses import dataclass

from backend.generation.execution import Preview
from backend.generation.shown import Live

# Kinds of reports
PLACED = "placed"  # place, prompt_id, backend: stored before ComfyUI is asked
FOLLOWED = "followed"  # backend: a take that an earlier life has placed is watched again
DONE = "done"  # place, results, measured (shape and seconds, or None), problem (or None)
FAILED = "failed"  # problem
CANCELLED = "cancelled"
RETURNED = (
    "returned"  # place, keeps: whether the prompt id still counts, goes_on: whether the runner places it anew itself
)

# Channels
PROGRESS = "progress"


def cancel_channel(job_id: str) -> str:
    """Return the channel on which a runner hears that its job is cancelled."""
    return f"cancel.{job_id}"


@dataclass(frozen=True, slots=True)
class Told:
    """What a runner says while a job runs."""

    job_id: str
    live: Live
    preview: Preview | None = None
