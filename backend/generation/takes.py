"""The takes of one job on one ComfyUI, until all are done or something ends them.

The prompt id is stored before ComfyUI is asked. Whoever takes the job up after a crash asks ComfyUI for that id: still
running, it is followed on; over, it is collected; not known, the take is placed once more under a new id. So ComfyUI may
execute a take twice, and its results are stored once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import Any

from backend.comfyui import (
    ComfyUIError,
    ComfyUIRefused,
    ComfyUIStuck,
    Ending,
    Graph,
    InvalidInput,
    MissingModel,
    MissingNode,
    OutOfMemory,
    OutputNotFound,
    new_prompt_id,
)
from backend.errors import JSON, HearthError
from backend.generation.backends import Backend
from backend.generation.dispatch import Dispatch, Report
from backend.generation.errors import Unfulfilled, UploadMissing
from backend.generation.eta import shape_of
from backend.generation.execution import Execution, Preview, Ran
from backend.generation.job import Job, Problem, Take
from backend.generation.ports import Making, Output, ResultStore
from backend.generation.reports import (
    CANCELLED,
    DONE,
    FAILED,
    FOLLOWED,
    PLACED,
    PROGRESS,
    RETURNED,
    Told,
    cancel_channel,
)
from backend.generation.shown import Live, shown
from backend.generation.uploads import Uploads
from backend.kit.clock import monotonic_s, utc_now
from backend.logs import get_logger

log = get_logger(__name__)

MAX_ATTEMPTS = 3
_MAX_RESULT_BYTES = 64 * 1024**3


class Next(Enum):
    """What is to become of the job after its takes: nothing more, or somebody else goes on."""

    GO_ON = auto()
    OVER = auto()
    GIVE_BACK = auto()


class Takes:
    """Run the takes of jobs on *backend*.

    Args:
        uploads: The files that graphs may name as inputs.
        read: Returns a job as it is stored.
        secrets_of: Returns what goes to ComfyUI with a job and is not stored.
    """

    def __init__(
        self,
        backend: Backend,
        dispatch: Dispatch,
        results: ResultStore,
        uploads: Uploads,
        read: Callable[[str], Awaitable[Job]],
        secrets_of: Callable[[str], Mapping[str, JSON]],
    ) -> None:
        self._backend = backend
        self._dispatch = dispatch
        self._results = results
        self._uploads = uploads
        self._read = read
        self._secrets_of = secrets_of

    async def run(self, job_id: str) -> Next:
        """Run what is not done yet of a job; OVER or GIVE_BACK.

        Cancelled: ComfyUI goes on, and whoever takes the job up follows it.

        Raises:
            HearthError: The store refuses; nothing was changed.
        """
        while True:
            job = await self._read(job_id)
            take = job.next_take
            if job.ended or take is None:
                return Next.OVER
            if job.cancelling and (take.prompt_id is None or take.backend != self._backend.id):
                await self._record(job.id, CANCELLED)
                return Next.OVER
            after = await self._take(job, take)
            if after is not Next.GO_ON:
                return after

    async def _take(self, job: Job, take: Take) -> Next:
        try:
            graph = Graph.parse(take.graph)
        except ComfyUIError as error:  # stored by a Hearth that knew less
            return await self._fail(job, error)
        is_sent = take.prompt_id is not None and take.backend == self._backend.id
        if not is_sent and take.attempts >= MAX_ATTEMPTS:
            return await self._fail(job, _exhausted(take))
        prompt_id = take.prompt_id if is_sent and take.prompt_id is not None else new_prompt_id()
        began_s = monotonic_s()
        with self._backend.follower.watch(prompt_id, graph) as watch:
            execution = Execution(watch, graph, take.place, lambda live, preview: self._tell(job.id, live, preview))
            # Listened for before it is stored where the take runs: a cancel comes either here or with the record.
            with self._dispatch.on(cancel_channel(job.id), lambda _: execution.cancel()):
                if is_sent:
                    await self._record(job.id, FOLLOWED, backend=self._backend.id)
                else:
                    await self._record(job.id, PLACED, place=take.place, prompt_id=prompt_id, backend=self._backend.id)
                if (await self._read(job.id)).cancelling:
                    if not is_sent:
                        await self._record(job.id, CANCELLED)
                        return Next.OVER
                    execution.cancel()
                try:
                    if not is_sent:
                        await self._uploads.deliver(take.graph, self._backend.client.files)
                    ran = await execution.run({**job.extra_data, **self._secrets_of(job.id)}, is_sent=is_sent)
                except ComfyUIError as error:
                    return await self._not_known(job, take, error)
                except UploadMissing as error:
                    return await self._fail(job, error)
        return await self._ended(job, take, graph, prompt_id, ran, monotonic_s() - began_s)

    async def _not_known(self, job: Job, take: Take, error: ComfyUIError) -> Next:
        """Act on a take that was refused, or of which it is not known what becomes of it."""
        self._backend.look()
        job, take = await self._now(job, take)
        if job.cancelling:
            await self._record(job.id, CANCELLED)
            return Next.OVER
        if isinstance(error, MissingModel | MissingNode):
            # Its list was out of date: with a fresh one, the policy finds another backend, if there is any.
            await self._backend.refresh()
            return await self._elsewhere(job, take, error)
        if isinstance(error, ComfyUIRefused):
            # A server that is ending answers so, and one that has just begun; a broken graph does so every time.
            return await self._elsewhere(job, take, error)
        if isinstance(error, InvalidInput) or not error.retryable:
            return await self._fail(job, error)
        if isinstance(error, ComfyUIStuck):
            await self._backend.revive()
            return await self._elsewhere(job, take, error)
        # It may be running there still: it stays bound to this backend, which is asked when it is back.
        await self._record(job.id, RETURNED, place=take.place, keeps=True, goes_on=False)
        return Next.GIVE_BACK

    async def _elsewhere(self, job: Job, take: Take, error: ComfyUIError) -> Next:
        if take.attempts >= MAX_ATTEMPTS:
            return await self._fail(job, error)
        await self._record(job.id, RETURNED, place=take.place, keeps=False, goes_on=False)
        return Next.GIVE_BACK

    async def _ended(self, job: Job, take: Take, graph: Graph, prompt_id: str, ran: Ran, seconds: float) -> Next:
        outcome = ran.outcome
        if outcome.ending is Ending.SUCCEEDED:
            return await self._succeeded(job, take, graph, prompt_id, ran, seconds)
        job, take = await self._now(job, take)
        if job.cancelling:
            await self._record(job.id, CANCELLED)
            return Next.OVER
        error = outcome.error or ComfyUIError("ComfyUI does not say why it ended.")
        if outcome.ending is Ending.LOST:
            return await self._again(job, take, error)
        if isinstance(error, OutOfMemory) and take.attempts == 1:
            log.info("generation_out_of_memory", job=job.id, backend=self._backend.id)
            with suppress(ComfyUIError):
                await self._backend.free()
            return await self._again(job, take, error)
        return await self._fail(job, error)

    async def _again(self, job: Job, take: Take, error: ComfyUIError) -> Next:
        """Place the take once more, unless it was tried as often as allowed."""
        if take.attempts >= MAX_ATTEMPTS:
            return await self._fail(job, _exhausted(take))
        log.info("generation_placed_again", job=job.id, backend=self._backend.id, reason=error.code)
        await self._record(job.id, RETURNED, place=take.place, keeps=False, goes_on=True)
        return Next.GO_ON

    async def _succeeded(self, job: Job, take: Take, graph: Graph, prompt_id: str, ran: Ran, seconds: float) -> Next:
        self._backend.ran(job.models)
        job, take = await self._now(job, take)
        if not ran.is_whole:
            return await self._again(job, take, ComfyUIError("Results that are sent over the socket were missed."))
        making = Making(
            graph=take.graph,
            owner_id=job.owner.id,
            place=take.place,
            seed=take.seed,
            prompt_id=prompt_id,
            backend=self._backend.id,
            models=job.models,
            started_at=job.started_at,
            finished_at=utc_now(),
            node_s=ran.node_s,
        )
        try:
            results = await self._results.collect(shown(job), ran.outputs, self._fetch, making)
        except (HearthError, OSError) as error:
            return await self._not_collected(job, take, error)
        measured = None if ran.outcome.cached_nodes else (shape_of(graph), _duration_s(ran, seconds))
        await self._record(
            job.id, DONE, place=take.place, results=tuple(results), measured=measured, problem=_left_out(ran)
        )
        return Next.GO_ON

    async def _not_collected(self, job: Job, take: Take, error: HearthError | OSError) -> Next:
        if isinstance(error, OutputNotFound):
            # ComfyUI remembers results of nodes whose files were deleted since: make it forget.
            with suppress(ComfyUIError):
                await self._backend.free()
            return await self._again(job, take, error)
        if isinstance(error, ComfyUIRefused) or (isinstance(error, ComfyUIError) and error.retryable):
            return await self._not_known(job, take, error)
        return await self._fail(job, _unwritable(error) if isinstance(error, OSError) else error)

    async def _now(self, job: Job, take: Take) -> tuple[Job, Take]:
        now = await self._read(job.id)
        return now, now.takes[take.place]

    async def _fetch(self, output: Output, path: Path) -> str:
        assert output.file is not None
        return (await self._backend.client.files.save(output.file, path, limit_bytes=_MAX_RESULT_BYTES)).sha256

    async def _fail(self, job: Job, error: HearthError) -> Next:
        await self._record(job.id, FAILED, problem=Problem.of(error))
        return Next.OVER

    async def _record(self, job_id: str, kind: str, **facts: Any) -> None:  # Any: what the kind of report asks for
        await self._dispatch.record(Report(job_id, kind, facts))

    def _tell(self, job_id: str, live: Live, preview: Preview | None) -> None:
        self._dispatch.emit(PROGRESS, Told(job_id, live, preview))


def _exhausted(take: Take) -> Unfulfilled:
    return Unfulfilled(
        f"It was handed to ComfyUI {take.attempts} times and lost each time.", details={"attempts": take.attempts}
    )


def _left_out(ran: Ran) -> Problem | None:
    if not ran.problems:
        return None
    return Problem.of(InvalidInput("ComfyUI left out outputs that it found invalid.", problems=ran.problems))


def _unwritable(error: OSError) -> HearthError:
    return HearthError(f"The results cannot be written: {error.strerror}.", hint="Check the disk of the workspace.")


def _duration_s(ran: Ran, seconds: float) -> float:
    """Return how long ComfyUI worked; by our clock where it does not say."""
    began_ms, ended_ms = ran.outcome.started_ms, ran.outcome.ended_ms
    return seconds if began_ms is None or ended_ms is None else max(0.0, (ended_ms - began_ms) / 1000)
