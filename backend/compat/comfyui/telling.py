"""What one client is told about jobs: ComfyUI's own messages, of its own jobs, under their ids, in the recorded order.

Steps and outputs go on as they come. How a job ended is told when Hearth has stored it, so that whoever reads the last
message finds results and history. What was not heard, because the way to ComfyUI was broken, is told from the record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.comfyui.messages import (
    Connected,
    Disconnected,
    Executed,
    Executing,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    FeatureFlags,
    Logs,
    Message,
    NodeText,
    Preview,
    Progress,
    ProgressState,
    Status,
    Unknown,
)
from backend.comfyui.shapes import mapping
from backend.compat.comfyui import frames
from backend.compat.comfyui.memory import Memory, marked
from backend.compat.comfyui.outbox import Outbox
from backend.compat.comfyui.records import Records, ending
from backend.errors import JSON
from backend.generation import GenerationService, Job, State

_NOT_OURS = (Connected, Disconnected, FeatureFlags, Logs, Status)
_ENDINGS = (ExecutionSuccess, ExecutionError, ExecutionInterrupted)
_PASSING = (Progress, ProgressState, NodeText)
_TO_ALL = (Progress, ProgressState)
_ENDED = (State.COMPLETED, State.FAILED, State.CANCELLED)


@dataclass(slots=True)
class _Told:
    """What a client was told of one job."""

    state: State
    started: bool = False
    node: str | None = None
    outputs: set[str] = field(default_factory=set[str])
    ending: str | None = None
    preview: tuple[bytes, bool] | None = None  # with whether it may be dropped


class Telling:
    """Tell one client.

    Args:
        client_id: The id under which it connected: it hears of jobs that were sent with it, and steps of those without any.
    """

    def __init__(
        self, generation: GenerationService, records: Records, memory: Memory, client_id: str, outbox: Outbox
    ) -> None:
        self._generation = generation
        self._records = records
        self._owner = records.owner
        self._memory = memory
        self._client_id = client_id
        self._outbox = outbox
        self._jobs: dict[str, _Told] = {}
        self.knows_metadata = False

    def greet(self) -> None:
        """Tell how things stand at the beginning."""
        for shown in self._generation.unfinished(self._owner):
            self._jobs[shown.id] = _Told(shown.state)
        self._outbox.put(frames.status(self._remaining(), self._client_id))
        for shown in self._generation.backends():
            job = self._generation.ongoing(shown.id)
            if job is not None and self._is_addressed(job):
                live = next((each for each in self._generation.unfinished(self._owner) if each.id == job.id), None)
                if live is not None and live.node is not None:
                    self._outbox.put(frames.message("executing", {"node": live.node.id}))

    def hear(self, backend_id: str, message: Message, frame: str | bytes) -> None:
        """Take in what a ComfyUI says; never blocks."""
        if isinstance(message, _NOT_OURS):
            return
        job = self._generation.ongoing(backend_id)
        if job is None or not self._owner.may_see(job.owner.id):
            return
        prompt_id = _prompt_id(job)
        named = getattr(message, "prompt_id", None)
        if prompt_id is None or (named is not None and named != prompt_id):
            return
        if isinstance(message, Executed):
            self._memory.said(job.id).outputs[message.node] = message.output
        if self._is_addressed(job) or (isinstance(message, _TO_ALL) and "client_id" not in job.extra_data):
            self._pass(job, prompt_id, message, frame)

    async def change(self, data: Mapping[str, JSON]) -> None:
        """Take in that a job has changed.

        Raises:
            GenerationNotFound: It is not there any more.
        """
        job_id, state = str(data.get("id")), State(str(data.get("state")))
        known = self._jobs.get(job_id)
        before = None if known is None else known.state
        if state not in _ENDED:
            self._reach(job_id, state)
            return
        self._jobs.pop(job_id, None)
        if known is not None and state is State.CANCELLED and before is State.QUEUED and not known.started:
            self._outbox.put(frames.status(self._remaining()))
            return
        job = await self._records.job(job_id)
        if not self._is_addressed(job):
            self._outbox.put(frames.status(self._remaining()))
            return
        await self._end(job, known or _Told(State.QUEUED))

    async def catch_up(self) -> None:
        """Look at every job again of which an ending may have been missed."""
        for job_id in [*self._jobs]:
            job = await self._records.job(job_id)
            if job.ended:
                await self.change({"id": job.id, "state": str(job.state)})

    def _reach(self, job_id: str, state: State) -> _Told:
        """Tell the changes of the queue up to *state*: one when a job comes in, one when it begins."""
        told = self._jobs.get(job_id)
        if told is None:
            told = self._jobs[job_id] = _Told(State.QUEUED)
            self._outbox.put(frames.status(self._remaining()))
        if told.state is State.QUEUED and state is State.RUNNING:
            told.state = State.RUNNING
            self._outbox.put(frames.status(self._remaining()))
        return told

    def _pass(self, job: Job, prompt_id: str, message: Message, frame: str | bytes) -> None:
        told = self._reach(job.id, State.RUNNING)
        if isinstance(message, Preview):
            self._preview(message, frame, prompt_id, job.id, told)
            return
        if not isinstance(message, Progress):
            self._show_preview(told)
        if isinstance(message, _ENDINGS):
            told.ending = str(frames.renamed(frame, prompt_id, job.id))
            return
        if isinstance(message, Executing):
            if message.node is None:
                return
            told.node = message.node
        if isinstance(message, ExecutionStart):
            told.started = True
        if isinstance(message, Executed):
            told.outputs.add(message.node)
            frame = _executed(str(frame), job.id)
        if isinstance(message, Unknown) and isinstance(frame, bytes):
            return
        self._outbox.put(frames.renamed(frame, prompt_id, job.id), passing=isinstance(message, _PASSING))
        self._show_preview(told)

    def _preview(self, message: Preview, frame: str | bytes, prompt_id: str, job_id: str, told: _Told) -> None:
        # A node that delivers over the socket sends PNG: that is a result, and no preview.
        passing = message.mime != "image/png"
        if self.knows_metadata:
            self._outbox.put(frames.renamed(frame, prompt_id, job_id), passing=passing)
        else:
            # ComfyUI tells older clients the step first, and then shows the picture.
            self._show_preview(told)
            told.preview = frames.plain_preview(message.mime, message.image), passing

    def _show_preview(self, told: _Told) -> None:
        preview, told.preview = told.preview, None
        if preview is not None:
            self._outbox.put(preview[0], passing=preview[1])

    async def _end(self, job: Job, told: _Told) -> None:
        """Tell the rest of what ComfyUI would have told, now that it can be read."""
        # Who heard the beginning and the ending has heard what lies between.
        is_whole = told.started and told.ending is not None
        outputs = {} if is_whole else await self._records.outputs(job)
        kind, data = ending(job)
        self._show_preview(told)
        if not told.started:
            self._reach(job.id, State.RUNNING)
            self._jobs.pop(job.id, None)
            at: dict[str, JSON] = {"prompt_id": job.id, "timestamp": data["timestamp"]}
            self._outbox.put(frames.message("execution_start", at))
            self._outbox.put(frames.message("execution_cached", {"nodes": [], **at}))
        for node, output in outputs.items():
            if node not in told.outputs:
                about: dict[str, JSON] = {"node": node, "display_node": node, "output": output, "prompt_id": job.id}
                self._outbox.put(frames.message("executed", about))
        heard = told.ending if told.ending is not None and f'"{kind}"' in told.ending[:200] else None
        self._outbox.put(heard or frames.message(kind, data))
        self._outbox.put(frames.status(self._remaining()))
        self._outbox.put(frames.message("executing", {"node": None, "prompt_id": job.id}))

    def _is_addressed(self, job: Job) -> bool:
        return self._owner.may_see(job.owner.id) and job.extra_data.get("client_id") == self._client_id

    def _remaining(self) -> int:
        return self._generation.depth(self._owner)


def _prompt_id(job: Job) -> str | None:
    take = job.next_take
    return None if take is None else take.prompt_id


def _executed(frame: str, job_id: str) -> str:
    document = mapping(json.loads(frame))
    data = mapping(document.get("data"))
    return frames.message("executed", {**data, "output": marked(job_id, mapping(data.get("output")))})
