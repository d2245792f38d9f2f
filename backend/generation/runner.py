"""Work for one ComfyUI: pull a job, hold it while its takes run, say what became of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from backend.errors import HearthError
from backend.generation.backends import Backend
from backend.generation.dispatch import Dispatch, Lease, LeaseLost, Report
from backend.generation.errors import GenerationNotFound, IllegalGenerationState
from backend.generation.job import Problem
from backend.generation.reports import FAILED
from backend.generation.takes import Next, Takes
from backend.logs import get_logger

log = get_logger(__name__)

_EXTEND_S = 15.0
_AGAIN_S = 1.0


class Runner:
    """Run jobs on *backend*, one at a time; *takes* knows how."""

    def __init__(self, backend: Backend, dispatch: Dispatch, takes: Takes) -> None:
        self._backend = backend
        self._dispatch = dispatch
        self._takes = takes
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to pull."""
        self._task = asyncio.create_task(self._run(), name=f"runner {self._backend.id}")

    async def close(self) -> None:
        """Stop; ComfyUI goes on with what it does, and the next start follows on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._dispatch.leave(self._backend.id)

    async def _run(self) -> None:
        while True:
            lease = await self._dispatch.pull(self._backend.worker)
            try:
                await self._serve(lease)
            except LeaseLost:
                log.warning("generation_lease_lost", job=lease.task.id, backend=self._backend.id)
            except (GenerationNotFound, IllegalGenerationState):
                await lease.term()  # cancelled a moment ago, or gone: there is nothing to do
            except HearthError as error:
                # The store refuses: nothing was changed, so it is tried again.
                log.warning("generation_not_served", job=lease.task.id, reason=error.message)
                await lease.nak(_AGAIN_S)
            except Exception:
                log.exception("generation_runner_failed", job=lease.task.id)
                await self._give_up_on(lease)

    async def _give_up_on(self, lease: Lease) -> None:
        """A defect of ours must end one job, not the queue."""
        problem = Problem.of(HearthError("Hearth met an error that it did not expect."))
        with suppress(HearthError):
            await self._dispatch.record(Report(lease.task.id, FAILED, {"problem": problem}))
        await lease.term()

    async def _serve(self, lease: Lease) -> None:
        job_id = lease.task.id
        self._backend.current = job_id
        extending = asyncio.create_task(_extend(lease), name=f"lease {job_id}")
        serving = asyncio.create_task(self._takes.run(job_id), name=f"generation {job_id}")
        try:
            await asyncio.wait([extending, serving], return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                serving.cancel()
                await asyncio.wait([serving])
                await extending  # raises what ended it
            if serving.result() is Next.GIVE_BACK:
                await lease.nak(_AGAIN_S)
            else:
                await lease.ack()
        finally:
            self._backend.current = None
            for task in (extending, serving):
                task.cancel()
            await asyncio.wait([extending, serving])
            await self._dispatch.nudge()


async def _extend(lease: Lease) -> None:
    while True:
        await asyncio.sleep(_EXTEND_S)
        await lease.extend()
