"""A generation job: the record, and the states it may be in.

A job has n takes, each one execution in ComfyUI with a seed of its own. Records are frozen; whoever changes one makes a new
one and stores it before anything follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from backend.errors import JSON, HearthError
from backend.kit.clock import utc_now
from backend.kit.lifecycle import Lifecycle
from backend.kit.redact import redact

GraphDocument: TypeAlias = Mapping[str, JSON]


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """What was asked for: a workflow of the library with inputs, or a graph of the client's own."""

    WORKFLOW = "workflow"
    PROMPT = "prompt"


ENDED = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})

LIFECYCLE = Lifecycle(
    {
        State.QUEUED: {State.RUNNING, State.FAILED, State.CANCELLED},
        # Queued again: its backend went away, or Hearth did.
        State.RUNNING: {State.QUEUED, State.COMPLETED, State.FAILED, State.CANCELLED},
        # Queued again by a retry.
        State.FAILED: {State.QUEUED},
        State.CANCELLED: {State.QUEUED},
    }
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who asks: sees only what is theirs, unless they administer this Hearth."""

    id: str
    name: str
    is_admin: bool = False

    def may_see(self, owner_id: str) -> bool:
        """Tell whether what *owner_id* made is shown to this one."""
        return self.is_admin or self.id == owner_id


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as it is kept and shown."""

    code: str
    message: str
    hint: str
    details: Mapping[str, JSON] = field(default_factory=dict[str, JSON])

    @classmethod
    def of(cls, error: HearthError) -> Problem:
        """Keep *error* without secrets."""
        return cls(error.code, redact(error.message), redact(error.hint), error.details)

    def as_dict(self) -> dict[str, JSON]:
        """Shape the problem as every error of the API."""
        shape: dict[str, JSON] = {"code": self.code, "message": self.message, "hint": self.hint}
        if self.details:
            shape["details"] = self.details
        return shape


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One thing that a job made, as it lies on disk.

    Args:
        id: Made by the store of results, or by the job's record when left empty.
        key: What it is within its job: the same output of the same take has the same key whenever it is collected.
        kind: image, animation, video, audio, model, text or latent.
        path: Below the folder of outputs, with forward slashes; None for a text that is kept here alone.
        thumbnail: Path of a small picture, likewise.
    """

    key: str
    kind: str
    mime: str
    bytes: int
    path: str | None = None
    thumbnail: str | None = None
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    text: str | None = None
    sha256: str | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Take:
    """One execution of a job; ``prompt_id`` and ``backend`` are stored before ComfyUI is asked.

    ``attempts`` counts how often it was handed to a backend.
    """

    place: int
    graph: GraphDocument = field(repr=False)
    seed: int | None = None
    prompt_id: str | None = None
    backend: str | None = None
    attempts: int = 0
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """What somebody asked for, and what became of it. ``cancelling``: a cancel was acknowledged and must be carried out."""

    id: str
    owner: Owner
    source: str
    kind: Kind
    title: str
    takes: tuple[Take, ...]
    created_at: datetime
    workflow_id: str | None = None
    workflow_version: str | None = None
    inputs: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    extra_data: Mapping[str, JSON] = field(default_factory=dict[str, JSON], repr=False)
    priority: int = 0
    state: State = State.QUEUED
    started_at: datetime | None = None
    finished_at: datetime | None = None
    backend: str | None = None
    cancelling: bool = False
    problem: Problem | None = None
    webhook_url: str | None = None
    models: tuple[str, ...] = ()
    results: tuple[StoredResult, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in ENDED

    @property
    def attempts(self) -> int:
        """How often the take that was tried most was handed to a backend."""
        return max((take.attempts for take in self.takes), default=0)

    @property
    def seed(self) -> int | None:
        """The seed of the first take."""
        return self.takes[0].seed if self.takes else None

    @property
    def next_take(self) -> Take | None:
        """The first take that is not done."""
        return next((take for take in self.takes if not take.is_done), None)

    def moved(self, state: State, **facts: Any) -> Job:  # Any: fields of the record
        """Return the job in *state*, with the times that follow; a problem is kept only by a failed job.

        Raises:
            IllegalTransition: The lifecycle does not allow it.
        """
        LIFECYCLE.check(self.state, state)
        facts.setdefault("problem", None)
        if state is State.RUNNING and self.started_at is None:
            facts.setdefault("started_at", utc_now())
        facts.setdefault("finished_at", utc_now() if state in ENDED else None)
        return replace(self, state=state, **facts)

    def with_take(self, take: Take) -> Job:
        """Return the job with one take exchanged."""
        takes = tuple(take if old.place == take.place else old for old in self.takes)
        return replace(self, takes=takes)
