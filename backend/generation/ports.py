"""What generation needs from its neighbours, by shape: a place for results, and who knows where missing models come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

from backend.comfyui import ObjectInfo, OutputFile
from backend.errors import JSON
from backend.generation.job import GraphDocument, StoredResult
from backend.generation.request import NewGeneration, Prepared
from backend.generation.shown import GenerationJob
from backend.generation.store import Write

Prepare: TypeAlias = Callable[[NewGeneration, ObjectInfo | None], Awaitable[Prepared]]


@dataclass(frozen=True, slots=True)
class Output:
    """One thing that ComfyUI made: a file in one of its folders, a text, or bytes that came over the socket.

    Args:
        key: Unique within the job, and the same whenever it is collected.
        mime: Said by ComfyUI; only for bytes.
    """

    key: str
    node_id: str
    file: OutputFile | None = None
    text: str | None = None
    data: bytes | None = field(default=None, repr=False)
    mime: str | None = None
    is_animated: bool = False


@dataclass(frozen=True, slots=True)
class Making:
    """How the outputs of one take came about, for the sidecar; ``node_s`` holds seconds for each node."""

    owner_id: str
    graph: GraphDocument = field(repr=False)
    place: int
    seed: int | None
    prompt_id: str
    backend: str
    models: tuple[str, ...]
    started_at: datetime | None
    finished_at: datetime
    node_s: Mapping[str, float] = field(default_factory=dict[str, float])


# Writes the bytes of an output to a path, and returns their SHA-256 where it knows it.
Fetch: TypeAlias = Callable[[Output, Path], Awaitable[str | None]]


class ResultStore(Protocol):
    """Keeps what was made (``backend.generation.results``)."""

    async def collect(
        self, job: GenerationJob, outputs: Sequence[Output], fetch: Fetch, making: Making
    ) -> list[StoredResult]:
        """Write every output atomically, with its sidecar, and return what is there.

        Called again for the same take after a crash: the same names are written anew. Files of a job are numbered from
        ``len(job.results) + 1``.

        Args:
            fetch: Writes the bytes of an output that ComfyUI holds to a path; raises a HearthError.
        Raises:
            HearthError: Something could not be fetched or written.
        """
        ...


class ResultUploads(Protocol):
    """Copies results elsewhere (``backend.generation.results.upload``)."""

    def begin(self, job_id: str) -> Write:
        """Return what the transaction that ends a job must do for its results to be uploaded."""
        ...

    def wake(self) -> None:
        """Look for what waits."""
        ...


@dataclass(frozen=True, slots=True)
class Remedy:
    """Where a missing model may come from: a preset by its id, or an address."""

    model: str
    preset_id: str | None = None
    url: str | None = None
    directory: str | None = None

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values without what is not known."""
        told: dict[str, JSON] = {"preset_id": self.preset_id, "url": self.url, "directory": self.directory}
        return {"model": self.model, **{name: value for name, value in told.items() if value is not None}}


RemediesFor: TypeAlias = Callable[[Sequence[str]], Sequence[Remedy]]
