"""One ComfyUI, asked over HTTP; what it says by itself comes over :class:`backend.comfyui.stream.Stream`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from backend.comfyui.errors import InvalidInput
from backend.comfyui.files import Files
from backend.comfyui.graph import Graph
from backend.comfyui.jobs import Jobs
from backend.comfyui.messages import Logs
from backend.comfyui.nodes import Nodes
from backend.comfyui.passthrough import Passthrough
from backend.comfyui.refusals import node_problems, refusal
from backend.comfyui.shapes import mapping, number, sequence, text, texts, whole
from backend.comfyui.userdata import UserData
from backend.comfyui.values import Features, HistoryRecord, ModelFile, Queue, Submitted, SystemStats
from backend.comfyui.wire import Timeouts, Wire
from backend.errors import JSON


def new_prompt_id() -> str:
    """Return an id that ComfyUI accepts for a prompt: a canonical lower-case UUID."""
    return str(uuid.uuid4())


class Place(StrEnum):
    """Where a prompt is."""

    PENDING = "pending"
    RUNNING = "running"
    OVER = "over"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a prompt is; ``position`` is 0 while it runs, 1 for the next one."""

    place: Place
    position: int | None = None
    record: HistoryRecord | None = None


class ComfyUIClient:
    """Speak to the ComfyUI at *url*, from version 0.3.64 on.

    ``files``, ``nodes``, ``jobs`` and ``user`` hold what belongs to these topics; ``passthrough`` hands on requests that
    are not ours. Every method raises a
    :class:`~backend.comfyui.errors.ComfyUIError`: unreachable, silent, or refused.

    Args:
        url: Where it listens; may have a path, and a user and password for the door before it.
        headers: Sent with every request; may hold a secret.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        cafile: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._wire = Wire(url, headers=headers, timeouts=timeouts, cafile=cafile)
        self.passthrough = Passthrough(url, headers=headers, timeouts=timeouts, cafile=cafile)
        self.files = Files(self._wire)
        self.nodes = Nodes(self._wire)
        self.jobs = Jobs(self._wire)
        self.user = UserData(self._wire)

    @property
    def name(self) -> str:
        """The address without user and password."""
        return self._wire.name

    async def aclose(self) -> None:
        """Close the connections."""
        await self.passthrough.aclose()
        await self._wire.aclose()

    async def queue_remaining(self) -> int:
        """Return how many prompts wait or run; the cheapest question there is (37 bytes)."""
        document = mapping(await self._wire.json("GET", "/prompt"))
        return whole(mapping(document.get("exec_info")).get("queue_remaining")) or 0

    async def submit(
        self,
        graph: Graph,
        *,
        prompt_id: str,
        client_id: str | None = None,
        extra_data: Mapping[str, JSON] | None = None,
        front: bool = False,
        targets: Sequence[str] | None = None,
    ) -> Submitted:
        """Put *graph* into the queue.

        The queue's number is never ours to choose: two entries of equal number and id end the server's worker.

        Args:
            prompt_id: From :func:`new_prompt_id`; register whoever listens before, for frames may overtake the answer.
            client_id: Of the connection that shall hear about it.
            extra_data: ``extra_pnginfo``, ``preview_method`` and whatever nodes read.
            front: Before everything that waits.
            targets: The only output nodes to make.
        Raises:
            InvalidInput, MissingNode, MissingModel: ComfyUI does not accept the graph.
        """
        body: dict[str, object] = {"prompt": graph.document, "prompt_id": prompt_id}
        if client_id is not None:
            body["client_id"] = client_id
        if extra_data:
            body["extra_data"] = extra_data
        if front:
            body["front"] = True
        if targets is not None:
            body["partial_execution_targets"] = list(targets)
        reply = await self._wire.ask("POST", "/prompt", body=body)
        document = await reply.document()
        answer = mapping(document)
        if reply.status != 200 or text(answer.get("prompt_id")) is None:
            raise refusal(reply.status, document, graph)
        problems = node_problems(answer.get("node_errors"), graph)
        return Submitted(text(answer.get("prompt_id")) or prompt_id, number(answer.get("number")) or 0.0, problems)

    async def queue(self) -> Queue:
        """Return what runs and what waits, whole graphs included."""
        return Queue.read(await self._wire.json("GET", "/queue"))

    async def history(self, prompt_id: str) -> HistoryRecord | None:
        """Return the record of a prompt that is over, None for one that is not, or is not known."""
        document = mapping(await self._wire.json("GET", f"/history/{quote(prompt_id, safe='')}"))
        return HistoryRecord.read(prompt_id, document[prompt_id]) if prompt_id in document else None

    async def recent_history(self, limit: int, *, offset: int | None = None) -> list[HistoryRecord]:
        """Return records in the order in which they were written: the last *limit* ones, or those from *offset* on."""
        query: dict[str, str | int] = {"max_items": limit}
        if offset is not None:
            query["offset"] = offset
        document = mapping(await self._wire.json("GET", "/history", query=query))
        return [HistoryRecord.read(prompt_id, value) for prompt_id, value in document.items()]

    async def whereabouts(self, prompt_id: str) -> Whereabouts:
        """Return where the prompt is. The queue is asked first: what has left it is in the history already."""
        position = (await self.queue()).position(prompt_id)
        if position is not None:
            return Whereabouts(Place.PENDING if position else Place.RUNNING, position)
        record = await self.history(prompt_id)
        return Whereabouts(Place.UNKNOWN) if record is None else Whereabouts(Place.OVER, record=record)

    async def interrupt(self, prompt_id: str) -> None:
        """Stop the prompt if it runs, at its next step; another one is not touched. ComfyUI never says whether it did."""
        await self._wire.tell("POST", "/interrupt", {"prompt_id": prompt_id})

    async def delete_pending(self, prompt_ids: Sequence[str]) -> None:
        """Take prompts out of the queue; of one that waited nothing stays, one that runs is not touched."""
        for prompt_id in prompt_ids:
            await self._wire.tell("POST", "/queue", {"delete": [prompt_id]})

    async def clear_queue(self) -> None:
        """Take every prompt that waits out of the queue."""
        await self._wire.tell("POST", "/queue", {"clear": True})

    async def forget(self, prompt_ids: Sequence[str]) -> None:
        """Delete the records of prompts that are over; their files stay."""
        await self._wire.tell("POST", "/history", {"delete": list(prompt_ids)})

    async def free(self, *, unload_models: bool = True, free_memory: bool = True) -> None:
        """Give memory back, as soon as nothing runs; *free_memory* also forgets the results of nodes."""
        await self._wire.tell("POST", "/free", {"unload_models": unload_models, "free_memory": free_memory})

    async def system_stats(self) -> SystemStats:
        """Return the version, the machine and its devices."""
        return SystemStats.read(await self._wire.json("GET", "/system_stats"))

    async def features(self) -> Features:
        """Return what the server can do."""
        return Features.read(await self._wire.json("GET", "/features"))

    async def model_folders(self) -> tuple[str, ...]:
        """Return the names of the folders of models."""
        return texts(await self._wire.json("GET", "/models"))

    async def models(self, folder: str) -> tuple[ModelFile, ...]:
        """Return the models in *folder*, as ComfyUI sees them now.

        Raises:
            InvalidInput: There is no such folder.
        """
        path = f"/experiment/models/{quote(folder, safe='')}"
        reply = await self._wire.ask("GET", path)
        if reply.status == 404:
            raise InvalidInput(f"ComfyUI has no folder of models {folder}.")
        if reply.status != 200:
            raise self._wire.refused(reply.status, path)
        entries = (mapping(each) for each in sequence(await reply.document()))
        return tuple(
            ModelFile(text(each.get("name")) or "", whole(each.get("pathIndex")) or 0, whole(each.get("size")))
            for each in entries
        )

    async def logs(self) -> Logs:
        """Return the last lines of the server's log (300 writes)."""
        document = mapping(await self._wire.json("GET", "/internal/logs/raw"))
        entries = (mapping(each) for each in sequence(document.get("entries")))
        return Logs(tuple((text(each.get("t")) or "", text(each.get("m")) or "") for each in entries))

    async def subscribe_logs(self, client_id: str, *, enabled: bool = True) -> None:
        """Have log lines sent, or not sent any more, to the connection of *client_id*."""
        await self._wire.tell("PATCH", "/internal/logs/subscribe", {"clientId": client_id, "enabled": enabled})
