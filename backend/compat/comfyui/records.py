"""Jobs in the shapes of ComfyUI's queue and history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress

from starlette.requests import HTTPConnection

from backend.comfyui import ComfyUIError, Graph
from backend.comfyui.shapes import mapping, sequence
from backend.compat.comfyui.memory import Memory, Said, marked, messages_of, outputs_of
from backend.compat.identity import services_of
from backend.errors import JSON, HearthError
from backend.generation import GenerationNotFound, Job, Owner, State
from backend.generation.results import GalleryQuery

_MAX_RECORD_BYTES = 16 * 1024**2
_PATIENCE_S = 3.0
_MAX_RESULTS = 500


class Records:
    """Tell one owner's jobs; an administrator's are everybody's."""

    def __init__(self, connection: HTTPConnection, owner: Owner) -> None:
        services = services_of(connection)  # pyright: ignore[reportArgumentType] -- a socket's state is the same
        self._generation = services.generation
        self._gallery = services.results.gallery
        self._memory = Memory.of(connection)
        self._is_silent = False  # ComfyUI did not answer in time: not asked again for the same request
        self.owner = owner

    async def job(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            GenerationNotFound: There is none, or it is somebody else's.
        """
        return await self._generation.record(job_id, self.owner)

    async def queue(self) -> dict[str, JSON]:
        """Return what runs and what waits, in the order in which it will run."""
        running: list[JSON] = []
        pending: list[tuple[int, JSON]] = []
        for shown in self._generation.unfinished(self.owner):
            with suppress(GenerationNotFound):
                job = await self.job(shown.id)
                if shown.state is State.RUNNING:
                    running.append(self.entry(job))
                else:
                    pending.append((shown.position or 0, self.entry(job)))
        pending.sort(key=lambda each: each[0])
        return {"queue_running": running, "queue_pending": [entry for _, entry in pending]}

    async def history(self, max_items: int, offset: int) -> dict[str, JSON]:
        """Return jobs that have ended, the oldest first: the last *max_items*, or those from *offset* on."""
        ended = (State.COMPLETED, State.FAILED, State.CANCELLED)
        count = max_items
        skip = 0
        if offset >= 0:
            total = (await self._generation.list(self.owner, states=ended, listed=True, limit=1)).total
            count = max(0, min(max_items, total - offset))
            skip = total - offset - count
        if not count:
            return {}
        page = await self._generation.list(self.owner, states=ended, listed=True, limit=count, offset=skip)
        told: dict[str, JSON] = {}
        for shown in reversed(page.items):
            with suppress(GenerationNotFound):
                told.update(await self._record(await self.job(shown.id)))
        return told

    async def record(self, job_id: str) -> dict[str, JSON]:
        """Return the record of one job by its id; empty while it has not ended."""
        if await self._generation.history.hides(self.owner, job_id):
            return {}
        return await self._record(await self.job(job_id))

    async def _record(self, job: Job) -> dict[str, JSON]:
        # One that was cancelled while it waited leaves no trace, as in ComfyUI.
        if not job.ended or (job.state is State.CANCELLED and job.started_at is None):
            return {}
        said = await self.said(job)
        document = said.document or {}
        success = job.state is State.COMPLETED
        outputs: dict[str, JSON] = dict(await self._outputs(job, said))
        messages = messages_of(document) if document else _messages(job)
        meta = mapping(document.get("meta")) or {node: _meta(node) for node in outputs}
        status: dict[str, JSON] = {
            "status_str": "success" if success else "error", "completed": success, "messages": messages,
        }  # fmt: skip
        return {job.id: {"prompt": self.entry(job), "outputs": outputs, "status": status, "meta": meta}}

    def entry(self, job: Job) -> list[JSON]:
        """Return a job as queue and history list it: number, id, graph, extra data, output nodes."""
        graph = dict(job.takes[0].graph) if job.takes else {}
        number = int(job.created_at.timestamp() * 1000)
        return [number, job.id, graph, dict(job.extra_data), self.output_nodes(job)]

    def output_nodes(self, job: Job) -> list[JSON]:
        """Return the nodes of a job that save or show something, as far as a backend knows their classes."""
        for shown in self._generation.backends():
            info = self._generation.backend(shown.id).info
            if info is not None:
                with suppress(HearthError):
                    return [*info.output_nodes(Graph.parse(job.takes[0].graph))]
        return []

    async def said(self, job: Job) -> Said:
        """Return what ComfyUI says about a job, asking it when that was not heard; nothing of one with several takes."""
        if len(job.takes) != 1:
            return Said()
        said = self._memory.said(job.id)
        if job.ended and said.document is None:
            document = await self._asked(job)
            if document is not None:
                said.document = document
                said.outputs.update(outputs_of(document))
        return said

    async def results(self, job: Job) -> dict[str, tuple[str, str]]:
        """Return id and name of each stored result by its key within the job."""
        if not job.results:
            return {}
        page = await self._gallery.page(GalleryQuery(job=job.id), self.owner, None, _MAX_RESULTS)
        names = {item.id: item.name for item in page.items}
        return {each.key: (each.id, names[each.id]) for each in job.results if each.id in names}

    async def outputs(self, job: Job) -> dict[str, JSON]:
        """Return what the nodes of a job show, as history does."""
        return dict(await self._outputs(job, await self.said(job)))

    async def _outputs(self, job: Job, said: Said) -> Mapping[str, JSON]:
        found: dict[str, dict[str, JSON]] = {}
        stored = await self.results(job)
        for result in job.results:
            node_id, key = _place_of(result.key)
            if node_id in said.outputs or key == "socket":
                continue
            value: JSON = result.text
            if key != "text":
                if result.key not in stored:
                    continue
                value = {"filename": stored[result.key][1], "subfolder": job.id, "type": "output"}
            node = found.setdefault(node_id, {})
            sequence(node.setdefault(key, [])).append(value)
            if result.kind == "animation":
                node["animated"] = [True]
        heard = {node_id: marked(job.id, document) for node_id, document in said.outputs.items()}
        return {**found, **heard}

    async def _asked(self, job: Job) -> Mapping[str, JSON] | None:
        """Return ComfyUI's record; empty when it has none, None when it does not answer."""
        take = job.takes[0]
        if take.prompt_id is None or take.backend is None or self._is_silent:
            return None
        try:
            backend = self._generation.backend(take.backend)
        except HearthError:
            return None
        if not backend.is_up:
            return None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                target = f"/history/{take.prompt_id}"
                status, body = await backend.client.passthrough.read("GET", target, _MAX_RECORD_BYTES)
        except (ComfyUIError, TimeoutError):
            self._is_silent = True
            return None
        renamed = body.replace(take.prompt_id.encode(), job.id.encode())
        document = mapping(await asyncio.to_thread(_parsed, renamed)) if status == 200 else {}
        return mapping(document.get(job.id))


def _place_of(key: str) -> tuple[str, str]:
    """Return node and output key of a result's key, ``take/node/key/number``."""
    first, key, _ = key.rsplit("/", 2)
    return first.partition("/")[2], key


def _messages(job: Job) -> list[JSON]:
    start = job.started_at or job.created_at
    told: list[JSON] = [["execution_start", {"prompt_id": job.id, "timestamp": int(start.timestamp() * 1000)}]]
    told.append(["execution_cached", {"nodes": [], "prompt_id": job.id, "timestamp": int(start.timestamp() * 1000)}])
    kind, data = ending(job)
    told.append([kind, data])
    return told


def ending(job: Job) -> tuple[str, dict[str, JSON]]:
    """Return the message with which ComfyUI would tell how a job ended."""
    at = job.finished_at or job.created_at
    data: dict[str, JSON] = {"prompt_id": job.id, "timestamp": int(at.timestamp() * 1000)}
    if job.state is State.COMPLETED:
        return "execution_success", data
    problem = job.problem
    details: Mapping[str, JSON] = {} if problem is None else problem.details
    data |= {"node_id": details.get("node_id"), "node_type": details.get("class_type"), "executed": []}
    if job.state is State.CANCELLED or problem is None:
        return "execution_interrupted", data
    data |= {
        "exception_message": str(details.get("exception_message") or f"{problem.message} {problem.hint}".strip()),
        "exception_type": str(details.get("exception_type") or problem.code),
        "traceback": sequence(details.get("traceback")),
        "current_inputs": {},
        "current_outputs": [],
    }
    return "execution_error", data


def _meta(node_id: str) -> dict[str, JSON]:
    return {"node_id": node_id, "display_node": node_id, "parent_node": None, "real_node_id": node_id}


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
