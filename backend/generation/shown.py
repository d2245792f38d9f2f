"""The one shape in which a generation job is shown, by the API, in events, to webhooks and on pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from backend.errors import JSON
from backend.generation.job import Job, Kind, State, StoredResult


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
