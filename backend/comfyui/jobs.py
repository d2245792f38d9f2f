"""ComfyUI's own list of jobs, ``/api/jobs``; servers before 0.5 or so do not have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote

from backend.comfyui.outputs import NodeOutput, node_outputs
from backend.comfyui.shapes import mapping, sequence, text, whole
from backend.comfyui.wire import Wire
from backend.errors import JSON

_PATH = "/api/jobs"


class JobStatus(StrEnum):
    """How ComfyUI calls the states of a job."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ComfyUIJob:
    """A prompt as ``/api/jobs`` shows it; times in milliseconds since 1970, ``error`` as in ``execution_error``."""

    id: str
    status: str
    created_ms: int | None
    started_ms: int | None
    ended_ms: int | None
    outputs_count: int
    workflow_id: str | None
    outputs: tuple[NodeOutput, ...] = ()
    error: Mapping[str, JSON] | None = field(default=None, repr=False)

    @classmethod
    def read(cls, document: Mapping[str, JSON]) -> ComfyUIJob:
        """Read one job."""
        return cls(
            text(document.get("id")) or "",
            text(document.get("status")) or "",
            whole(document.get("create_time")),
            whole(document.get("execution_start_time")),
            whole(document.get("execution_end_time")),
            whole(document.get("outputs_count")) or 0,
            text(document.get("workflow_id")),
            node_outputs(mapping(document.get("outputs"))),
            mapping(document.get("execution_error")) or None,
        )


class Jobs:
    """Ask for jobs; without the routes, nothing is known and nothing is cancelled."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._is_available: bool | None = None

    async def available(self) -> bool:
        """Tell whether the server has the routes; asked once, and again after :meth:`forget`."""
        if self._is_available is None:
            reply = await self._wire.ask("GET", _PATH, query={"limit": 1})
            self._is_available = reply.status == 200
        return self._is_available

    def forget(self) -> None:
        """Look again next time: the server may be another version now."""
        self._is_available = None

    async def list(
        self,
        statuses: Sequence[JobStatus] = (),
        *,
        limit: int | None = None,
        offset: int = 0,
        workflow_id: str | None = None,
    ) -> list[ComfyUIJob]:
        """Return jobs, the newest first."""
        query: dict[str, str | int] = {"offset": offset}
        if statuses:
            query["status"] = ",".join(statuses)
        if limit is not None:
            query["limit"] = limit
        if workflow_id is not None:
            query["workflow_id"] = workflow_id
        if not await self.available():
            return []
        document = mapping(await self._wire.json("GET", _PATH, query=query))
        return [ComfyUIJob.read(mapping(each)) for each in sequence(document.get("jobs"))]

    async def get(self, job_id: str) -> ComfyUIJob | None:
        """Return one job with its outputs; None when it is not known: a cancelled one that only waited vanishes."""
        path = f"{_PATH}/{quote(job_id, safe='')}"
        reply = await self._wire.ask("GET", path)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise self._wire.refused(reply.status, path)
        return ComfyUIJob.read(mapping(await reply.document()))

    async def cancel(self, job_id: str) -> bool:
        """Stop a job that waits or runs; False when there was nothing to stop, or the server has no such route."""
        if not await self.available():
            return False
        reply = await self._wire.ask("POST", f"{_PATH}/{quote(job_id, safe='')}/cancel")
        return mapping(await reply.document()).get("cancelled") is True
