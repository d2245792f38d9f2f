"""Generation as the rest of Hearth sees it.

A job is stored before it is acknowledged. Every command stores the new state first and brings about its effect second, so
that whatever happens in between, the next start does what was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from backend.database import Database
from backend.errors import HearthError
from backend.events import Hub
from backend.events.types import GENERATIONS
from backend.generation.admission import Admission
from backend.generation.announcer import Announcer
from backend.generation.backends import Backend, BackendShown
from backend.generation.book import Book
from backend.generation.desk import PATIENCE_S, PIN_GRACE_S, Desk
from backend.generation.dispatch import Dispatch, EmbeddedDispatch
from backend.generation.errors import BackendNotFound
from backend.generation.eta import Timings
from backend.generation.job import Job, Owner, State
from backend.generation.ports import Prepare, RemediesFor, ResultStore, ResultUploads
from backend.generation.reader import GenerationReader
from backend.generation.reports import PROGRESS, cancel_channel
from backend.generation.request import NewGeneration
from backend.generation.runner import Runner
from backend.generation.shown import GenerationJob
from backend.generation.steering import cancelled, retried, too_late
from backend.generation.takes import Takes
from backend.generation.uploads import Uploads
from backend.generation.webhooks import Post, WebhookSender
from backend.logs import get_logger

log = get_logger(__name__)

_CANCEL_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class GenerationLimits:
    """How much may wait, and for how many seconds things are waited for."""

    max_depth: int = 1000
    max_depth_per_user: int = 200
    pin_grace_s: float = PIN_GRACE_S
    patience_s: float = PATIENCE_S
    sweep_s: float = 2.0


class GenerationService(GenerationReader):
    """Queue generations, steer them, and tell how they stand.

    Args:
        backends: Opened and closed with the service.
        uploads: The files that inputs may name.
        prepare: Makes a request ready for ComfyUI.
        remedies_for: Says where missing models may come from.
        post: Sends a webhook's message.
        webhook_secret: Signs them; without one, requests with a webhook are refused.
        copies: Takes the results of jobs that have ended to where they are copied.
    """

    def __init__(
        self,
        *,
        database: Database,
        hub: Hub,
        backends: Sequence[Backend],
        results: ResultStore,
        uploads: Uploads,
        prepare: Prepare,
        remedies_for: RemediesFor,
        post: Post,
        webhook_secret: str | None = None,
        dispatch: Dispatch | None = None,
        limits: GenerationLimits | None = None,
        copies: ResultUploads | None = None,
    ) -> None:
        limits = limits or GenerationLimits()
        self._dispatch = dispatch or EmbeddedDispatch()
        self._copies = copies
        self._timings = Timings(database)
        book = Book(database, copies)
        announcer = Announcer(hub, book, self._dispatch, self._timings, self._workers)
        super().__init__(database, hub, book, announcer, {backend.id: backend for backend in backends})
        self._webhooks = WebhookSender(database, post, webhook_secret)
        self._admission = Admission(
            database=database,
            book=self._book,
            backends=self._backends,
            prepare=prepare,
            remedies_for=remedies_for,
            max_depth=limits.max_depth,
            max_depth_per_user=limits.max_depth_per_user,
            can_sign=self._webhooks.has_secret,
        )
        self._desk = Desk(
            self._book, self._dispatch, self._backends, self._timings, remedies_for,
            pin_grace_s=limits.pin_grace_s, patience_s=limits.patience_s,
        )  # fmt: skip
        self._sweep_s = limits.sweep_s
        self._runners = [
            Runner(
                backend,
                self._dispatch,
                Takes(backend, self._dispatch, results, uploads, self._book.job, self._admission.secrets_of),
            )
            for backend in backends
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._errands: set[asyncio.Task[None]] = set()
        self._sweep_now = asyncio.Event()
        self._book.on_change(self._changed)

    async def start(self) -> None:
        """Read the queue, go on with what was unfinished, and watch the backends."""
        await self._timings.load()
        for job in await self._book.load():
            # What ran is queued, bound to its backend: its runner finds out what became of it.
            if job.state is State.RUNNING and not job.cancelling:
                job = await self._book.change(job.id, lambda old: old.moved(State.QUEUED))  # noqa: PLW2901
            await self._desk.put(job)
        self._tasks = [
            asyncio.create_task(self._dispatch.follow(self._desk.take_in), name="generation reports"),
            asyncio.create_task(self._sweep(), name="generation sweep"),
            asyncio.create_task(self._listen(), name="generation signals"),
        ]
        self._webhooks.start()
        for backend in self._backends.values():
            await backend.start()
        for runner in self._runners:
            runner.start()

    async def close(self) -> None:
        """Stop; ComfyUI goes on with what it does, and the next start follows on."""
        await asyncio.gather(*(runner.close() for runner in self._runners))
        tasks = [*self._tasks, *self._errands]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._webhooks.close()
        await self._timings.close()
        await asyncio.gather(*(backend.close() for backend in self._backends.values()))

    # Asking

    async def submit(self, new: NewGeneration, owner: Owner) -> GenerationJob:
        """Store a job and return it; it is durable then. The same Idempotency-Key returns the same job.

        Raises:
            HearthError: As ``Admission.admit``; nothing was stored.
        """
        job, is_new = await self._admission.admit(new, owner)
        if is_new:
            await self._desk.put(job)
        return self._announcer.show([job])[0]

    # Steering

    async def cancel(self, job_id: str, owner: Owner) -> GenerationJob:
        """Cancel a job: one that waits at once, one that runs by interrupting it; return it as it then is.

        ComfyUI stops at its next step only. When it has not within 10 s, the job is returned still running, and ends as
        cancelled later; when it was done before, it is completed.

        Raises:
            GenerationNotFound: There is none.
            IllegalGenerationState: It had completed or failed.
        """
        job = await self._own(job_id, owner)
        job = await self._book.change(job_id, cancelled)
        if job.state is State.CANCELLED:
            await self._desk.withdraw(job_id)
            self._drop_begun(job)
            return self._announcer.show([job])[0]
        self._dispatch.emit(cancel_channel(job_id), None)
        job = await self._until_ended(job_id)
        if job.state in (State.COMPLETED, State.FAILED):
            raise too_late(job)
        return self._announcer.show([job])[0]

    async def retry(self, job_id: str, owner: Owner) -> GenerationJob:
        """Queue a job again that failed or was cancelled; takes that are done stay.

        Raises:
            GenerationNotFound: There is none.
            IllegalGenerationState: It neither failed nor was cancelled.
        """
        await self._own(job_id, owner)
        job = await self._book.change(job_id, retried)
        await self._desk.put(job)
        return self._announcer.show([job])[0]

    # Backends

    def backends(self) -> list[BackendShown]:
        """Show every backend."""
        return [backend.shown() for backend in self._backends.values()]

    def backend(self, backend_id: str) -> Backend:
        """Return one backend.

        Raises:
            BackendNotFound: There is none.
        """
        try:
            return self._backends[backend_id]
        except KeyError:
            raise BackendNotFound(f"There is no backend {backend_id!r}.") from None

    async def drain(self, backend_id: str, *, draining: bool = True) -> BackendShown:
        """Let a backend end what it does and give it nothing new, or give it work again.

        Raises:
            BackendNotFound: There is none.
        """
        backend = self.backend(backend_id)
        backend.is_draining = draining
        await self._dispatch.nudge()
        self._announcer.backend({"id": backend.id, "state": str(backend.state), "draining": backend.is_draining})
        return backend.shown()

    def backend_changed(self, backend_id: str) -> None:
        """Take in that a backend can do more or less than before."""
        backend = self._backends.get(backend_id)
        if backend is None:
            return
        self._announcer.backend({"id": backend.id, "state": str(backend.state), "draining": backend.is_draining})
        self._errand(self._dispatch.nudge())
        self._sweep_now.set()

    # Inside

    def _workers(self) -> int:
        return sum(backend.worker().takes_work for backend in self._backends.values())

    def _changed(self, old: Job | None, job: Job) -> None:
        self._announcer.changed(old, job)
        if job.ended:
            self._admission.forget(job.id)
            self._webhooks.wake()
            if self._copies is not None:
                self._copies.wake()

    def _drop_begun(self, job: Job) -> None:
        """Have a backend forget what it may have begun for a job that waited to be followed on."""
        for take in job.takes:
            backend = self._backends.get(take.backend or "")
            if backend is not None and take.prompt_id is not None and not take.is_done:
                self._errand(backend.drop(take.prompt_id))

    def _errand(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="generation errand")
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _until_ended(self, job_id: str) -> Job:
        with self._hub.subscribe([GENERATIONS], key=job_id, progress=False) as changes, suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_WAIT_S):
                while not (await self._book.job(job_id)).ended:
                    await changes.next()
                    changes.resume()
        return await self._book.job(job_id)

    async def _listen(self) -> None:
        with self._dispatch.on(PROGRESS, self._announcer.heard):
            await asyncio.Event().wait()

    async def _sweep(self) -> None:
        while True:
            self._sweep_now.clear()
            try:
                await self._desk.sweep()
            except HearthError as error:
                log.warning("generation_sweep_failed", reason=error.message)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._sweep_s):
                    await self._sweep_now.wait()
