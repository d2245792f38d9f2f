"""A generation job: the record, the states it may be in, and the one shape in which it is shown.

A job has n takes, each one execution in ComfyUI with a seed of its own. Records are frozen; whoever changes one makes a new
one and stores it before anything follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeAlias

from pydantic import Field

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


@dataclass(frozen=True, slots=True)
class Step:
    """How far the node that works now is."""

    value: float
    max: float


@dataclass(frozen=True, slots=True)
class NodeShown:
    """The node that works now."""

    id: str
    title: str


class NodeState(StrEnum):
    """How far a node is; one that is not told of waits. Cached: its result was known, and it does not run."""

    CACHED = "cached"
    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Live:
    """What is known of a running job and not stored; ``ratio`` and ``nodes``, by id, are of the present take."""

    ratio: float | None = None
    step: Step | None = None
    node: NodeShown | None = None
    eta_s: float | None = None
    nodes: Mapping[str, NodeState] = field(default_factory=dict[str, NodeState])


Id: TypeAlias = Annotated[str, Field(examples=["019ab3f0c1d24f6e8a90b1c2"])]
Shown: TypeAlias = Annotated[dict[str, Any], Field(description="code, message, hint and, where useful, details")]


@dataclass(frozen=True, slots=True)
class ResultShown:
    """One result as it is shown; ``url`` answers the file itself."""

    id: Id
    kind: Annotated[str, Field(description="image, animation, video, audio, model, text or latent", examples=["image"])]
    mime: Annotated[str, Field(examples=["image/png"])]
    url: str | None
    thumbnail_url: str | None
    width: int | None
    height: int | None
    duration_s: float | None
    bytes: int
    text: str | None


@dataclass(frozen=True, slots=True)
class GenerationJob:
    """A job as it is shown; ``position`` is its place in the queue from 0, None unless it waits."""

    id: Id
    state: State
    kind: Kind
    workflow_id: str | None
    workflow_version: str | None
    title: Annotated[str, Field(examples=["Text to image"])]
    owner: Annotated[str, Field(description="Name of who asked", examples=["owner"])]
    source: Annotated[str, Field(examples=["api"])]
    priority: int
    position: Annotated[int | None, Field(ge=0)]
    created_at: Annotated[str, Field(examples=["2026-11-24T16:00:00+00:00"])]
    started_at: str | None
    finished_at: str | None
    progress_ratio: Annotated[float | None, Field(ge=0, le=1)]
    step: Step | None
    node: NodeShown | None
    nodes: Annotated[
        dict[str, NodeState], Field(description="Nodes of the present take by id; those that are left out wait")
    ]
    eta_s: Annotated[float | None, Field(description="Seconds left, from past runs of the same workflow")]
    backend: str | None
    attempts: Annotated[int, Field(ge=0, description="How often it was handed to a ComfyUI")]
    seed: int | None
    n: Annotated[int, Field(ge=1, description="How many takes it has")]
    inputs: dict[str, Any]  # Any: values of whatever type the workflow's inputs have
    results: list[ResultShown]
    error: Shown | None

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values; what the inputs hold is shared, not copied."""
        return {
            **{each.name: getattr(self, each.name) for each in fields(self)},
            "step": _plain(self.step),
            "node": _plain(self.node),
            "nodes": dict[str, JSON](self.nodes),
            "results": [_plain(result) for result in self.results],
        }

    def numbers(self) -> dict[str, JSON]:
        """Return only what changes while it waits or runs."""
        return {
            "id": self.id,
            "state": self.state,
            "position": self.position,
            "progress_ratio": self.progress_ratio,
            "step": _plain(self.step),
            "node": _plain(self.node),
            "nodes": dict[str, JSON](self.nodes),
            "eta_s": self.eta_s,
        }


def _plain(shape: Step | NodeShown | ResultShown | None) -> dict[str, JSON] | None:
    return None if shape is None else {each.name: getattr(shape, each.name) for each in fields(shape)}


def shown(job: Job, *, position: int | None = None, live: Live | None = None) -> GenerationJob:
    """Show a record as it is now."""
    live = live or Live()
    return GenerationJob(
        id=job.id,
        state=job.state,
        kind=job.kind,
        workflow_id=job.workflow_id,
        workflow_version=job.workflow_version,
        title=job.title,
        owner=job.owner.name,
        source=job.source,
        priority=job.priority,
        position=position if job.state is State.QUEUED else None,
        created_at=job.created_at.isoformat(),
        started_at=job.started_at.isoformat() if job.started_at else None,
        finished_at=job.finished_at.isoformat() if job.finished_at else None,
        progress_ratio=_ratio(job, live),
        step=live.step,
        node=live.node,
        nodes=dict(live.nodes),
        eta_s=None if job.ended or live.eta_s is None else round(live.eta_s, 1),
        backend=job.backend,
        attempts=job.attempts,
        seed=job.seed,
        n=max(1, len(job.takes)),
        inputs=dict(job.inputs),
        results=[_result(result) for result in job.results],
        error=None if job.problem is None else job.problem.as_dict(),
    )


def result_url(result_id: str) -> str:
    """Return where a result's file is served."""
    return f"/api/gallery/{result_id}/file"


def thumbnail_url(result_id: str) -> str:
    """Return where a result's small picture is served."""
    return f"/api/gallery/{result_id}/thumbnail"


def _result(result: StoredResult) -> ResultShown:
    return ResultShown(
        id=result.id,
        kind=result.kind,
        mime=result.mime,
        url=result_url(result.id) if result.path is not None else None,
        thumbnail_url=thumbnail_url(result.id) if result.thumbnail is not None else None,
        width=result.width,
        height=result.height,
        duration_s=result.duration_s,
        bytes=result.bytes,
        text=result.text,
    )


def _ratio(job: Job, live: Live) -> float | None:
    if job.state is State.COMPLETED:
        return 1.0
    if job.state is not State.RUNNING:
        return None
    done = sum(take.is_done for take in job.takes)
    return round(min(0.99, (done + (live.ratio or 0.0)) / max(1, len(job.takes))), 4)
