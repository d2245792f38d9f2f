"""Take in what runners report, and hand out what is to be done: the one place where a job's record follows from its run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from backend.comfyui import ComfyUIError, Graph
from backend.generation import store
from backend.generation.backends import Backend
from backend.generation.book import Book
from backend.generation.capability import heavy_models, lack_of, needs_of, refusal
from backend.generation.dispatch import Dispatch, Needs, Report, Task
from backend.generation.errors import IllegalGenerationState
from backend.generation.eta import Timings
from backend.generation.job import Job, Problem, State, StoredResult, Take
from backend.generation.ports import RemediesFor
from backend.generation.reports import CANCELLED, DONE, FAILED, FOLLOWED, PLACED, RETURNED
from backend.kit.clock import monotonic_s
from backend.logs import get_logger

log = get_logger(__name__)

PIN_GRACE_S = 30.0  # a backend that was down for longer gives up what was begun on it
PATIENCE_S = 60.0  # for a job that no backend can run, before it fails


class Desk:
    """Keep dispatch and book in step.

    Args:
        backends: By their id.
    """

    def __init__(
        self,
        book: Book,
        dispatch: Dispatch,
        backends: Mapping[str, Backend],
        timings: Timings,
        remedies_for: RemediesFor,
        *,
        pin_grace_s: float = PIN_GRACE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._book = book
        self._dispatch = dispatch
        self._backends = backends
        self._timings = timings
        self._remedies_for = remedies_for
        self._pin_grace_s = pin_grace_s
        self._patience_s = patience_s
        self._put: dict[str, Task] = {}
        self._order = itertools.count()
        self._hopeless_since_s: dict[str, float] = {}
        self._kinds: Mapping[str, Callable[[Job, Mapping[str, Any]], Job]] = {
            PLACED: _placed,
            FOLLOWED: lambda job, facts: job.moved(State.RUNNING, backend=facts["backend"]),
            DONE: _done,
            FAILED: lambda job, facts: job.moved(State.FAILED, problem=facts["problem"], cancelling=False),
            CANCELLED: lambda job, _: job.moved(State.CANCELLED, cancelling=False),
            RETURNED: _returned,
        }

    async def put(self, job: Job) -> None:
        """Make a job available to the backends that can run it."""
        task = await self._task(job)
        self._put[job.id] = task
        await self._dispatch.put(task)

    async def withdraw(self, job_id: str) -> None:
        """Hand a job out no more."""
        self._put.pop(job_id, None)
        self._hopeless_since_s.pop(job_id, None)
        await self._dispatch.withdraw(job_id)

    async def take_in(self, report: Report) -> None:
        """Let a report become part of the record.

        Raises:
            IllegalGenerationState: The job has ended meanwhile.
            GenerationNotStored: Nothing was changed.
        """

        def edit(job: Job) -> Job:
            if job.ended:
                raise IllegalGenerationState(f"{job.title} is {job.state} already.", details={"state": str(job.state)})
            return self._kinds[report.kind](job, report.facts)

        job = await self._book.change(report.task_id, edit)
        measured: tuple[str, float] | None = report.facts.get("measured")
        if measured is not None:
            self._timings.learn(*measured)
        if job.ended:
            self._put.pop(job.id, None)
            self._hopeless_since_s.pop(job.id, None)
        elif report.kind == RETURNED and not report.facts["goes_on"]:
            await self.put(job)  # its lease is given back next; what is known of it has changed

    async def sweep(self) -> None:
        """Look at what waits: unbind it from backends that stay away, and fail what nobody can run."""
        for job in [*self._book.unfinished.values()]:
            task = self._put.get(job.id)
            if task is None or job.state is not State.QUEUED:
                continue
            if task.pinned is not None:
                if self._pin(job) is None:
                    await self.put(job)
            elif not task.needs.classes:
                await self.put(job)  # nothing was known when it came
            elif any(backend.worker().has(task) for backend in self._backends.values()):
                self._hopeless_since_s.pop(job.id, None)
            else:
                await self._fail_when_hopeless(job)

    async def _fail_when_hopeless(self, job: Job) -> None:
        infos = [(backend.id, backend.info) for backend in self._backends.values()]
        known = [(name, info) for name, info in infos if info is not None]
        graphs = [Graph.parse(take.graph) for take in job.takes[:1]]
        lacks = [lack_of(name, graphs[0], info) for name, info in known]
        if len(known) < len(infos) or not lacks or not all(lacks):
            self._hopeless_since_s.pop(job.id, None)
            return
        since_s = self._hopeless_since_s.setdefault(job.id, monotonic_s())
        if monotonic_s() - since_s >= self._patience_s:
            problem = Problem.of(refusal(lacks, graphs[0], self._remedies_for))
            await self._dispatch.withdraw(job.id)
            await self.take_in(Report(job.id, FAILED, {"problem": problem}))

    async def _task(self, job: Job) -> Task:
        infos = [backend.info for backend in self._backends.values() if backend.info is not None]
        needs, models = Needs(), frozenset(job.models)
        try:
            if infos:
                graph = Graph.parse(job.takes[0].graph)
                needs = needs_of(graph, infos)
                models = frozenset(heavy_models(graph, infos))
        except ComfyUIError as error:  # stored by an older Hearth; the runner says what is wrong with it
            log.warning("generation_unreadable", job=job.id, reason=error.message)
        known = self._put.get(job.id)
        return Task(
            id=job.id,
            owner_id=job.owner.id,
            priority=job.priority,
            order=next(self._order) if known is None else known.order,
            waiting_since_s=monotonic_s() if known is None else known.waiting_since_s,
            needs=needs,
            models=models,
            cost=float(max(1, sum(not take.is_done for take in job.takes))),
            pinned=self._pin(job),
        )

    def _pin(self, job: Job) -> str | None:
        """Return the backend on which the job was begun, as long as it may still be going on there."""
        take = job.next_take
        backend = None if take is None or take.prompt_id is None else self._backends.get(take.backend or "")
        if backend is None:
            return None
        down_since_s = backend.down_since_s
        is_away = down_since_s is not None and monotonic_s() - down_since_s > self._pin_grace_s
        return None if is_away else backend.id


def _take(job: Job, facts: Mapping[str, Any]) -> Take:
    place: int = facts["place"]
    return job.takes[place]


def _placed(job: Job, facts: Mapping[str, Any]) -> Job:
    take = _take(job, facts)
    placed = replace(take, prompt_id=facts["prompt_id"], backend=facts["backend"], attempts=take.attempts + 1)
    return job.moved(State.RUNNING, backend=facts["backend"]).with_take(placed)


def _done(job: Job, facts: Mapping[str, Any]) -> Job:
    known = {result.key for result in job.results}
    found: tuple[StoredResult, ...] = facts["results"]
    fresh = tuple(store.named(result) for result in found if result.key not in known)
    job = replace(job, results=(*job.results, *fresh)).with_take(replace(_take(job, facts), is_done=True))
    problem = facts["problem"] or job.problem
    if job.next_take is None:
        return job.moved(State.COMPLETED, problem=problem, cancelling=False)
    return replace(job, problem=problem)


def _returned(job: Job, facts: Mapping[str, Any]) -> Job:
    if not facts["keeps"]:
        job = job.with_take(replace(_take(job, facts), prompt_id=None, backend=None))
    return job if facts["goes_on"] else job.moved(State.QUEUED)
