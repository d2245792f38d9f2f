"""What is known of jobs beyond their records - progress, place, time left - and the telling of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from backend.comfyui import ComfyUIError, Graph
from backend.errors import JSON
from backend.events import Event, Hub
from backend.events.types import (
    BACKEND_CHANGED,
    GENERATION_CHANGED,
    GENERATION_PREVIEW,
    GENERATION_PROGRESS,
    GENERATIONS,
)
from backend.generation.book import Book
from backend.generation.dispatch import Dispatch
from backend.generation.eta import Timings, left_s, shape_of
from backend.generation.job import Job, State
from backend.generation.reports import Told
from backend.generation.shown import GenerationJob, Live, shown
from backend.kit.clock import monotonic_s

_QUEUE_TOLD_S = 0.5
_QUEUE_TOLD_JOBS = 200


class Announcer:
    """Show jobs as they are now, and tell the hub what happens; every method runs on the loop and returns at once.

    Args:
        workers: Returns how many backends take work.
    """

    def __init__(self, hub: Hub, book: Book, dispatch: Dispatch, timings: Timings, workers: Callable[[], int]) -> None:
        self._hub = hub
        self._book = book
        self._dispatch = dispatch
        self._timings = timings
        self._workers = workers
        self._live: dict[str, Live] = {}
        self._take_began_s: dict[str, float] = {}
        self._means: dict[str, str] = {}
        self._queue_told_s = 0.0

    def show(self, jobs: Iterable[Job]) -> list[GenerationJob]:
        """Show *jobs* with their places and times."""
        jobs = [*jobs]
        waits = any(job.state is State.QUEUED for job in jobs)
        places: Mapping[str, int] = self._dispatch.positions() if waits else {}
        etas = self._etas(places)
        return [shown(job, position=places.get(job.id), live=self._live_of(job, etas.get(job.id))) for job in jobs]

    def changed(self, old: Job | None, job: Job) -> None:
        """Tell a job whose record changed."""
        if old is None or old.backend != job.backend or _done(old) != _done(job) or job.state is not State.RUNNING:
            self._take_began_s[job.id] = monotonic_s()
        if job.state is not State.RUNNING:
            self._live.pop(job.id, None)
        if job.ended:
            self._take_began_s.pop(job.id, None)
            self._means.pop(job.id, None)
        if old is None or shown(old) != shown(job):
            # Without its place, which costs a look at the whole queue: places are told apart from changes.
            now = shown(job, live=self._live_of(job, None))
            self._hub.publish(Event(GENERATIONS, GENERATION_CHANGED, job.id, now.as_dict()))
            self._tell_queue()

    def heard(self, told: Told) -> None:
        """Take in what a runner says, and tell it."""
        job = self._book.unfinished.get(told.job_id)
        if job is None or job.state is not State.RUNNING:
            return
        self._live[job.id] = told.live
        if not self._hub.has_listeners(GENERATIONS):
            return
        numbers = self.show([job])[0].numbers()
        self._hub.publish(Event(GENERATIONS, GENERATION_PROGRESS, job.id, numbers, lasting=False))
        if told.preview is not None:
            data: dict[str, JSON] = {"id": job.id, "mime": told.preview.mime, "node_id": told.preview.node_id}
            preview = Event(GENERATIONS, GENERATION_PREVIEW, job.id, data, lasting=False, blob=told.preview.image)
            self._hub.publish(preview)

    def backend(self, shape: Mapping[str, JSON]) -> None:
        """Tell how a backend does."""
        self._hub.publish(Event(GENERATIONS, BACKEND_CHANGED, "", shape, lasting=False))

    def _tell_queue(self) -> None:
        """Tell the places of those that wait, twice a second at most; a listener that needs all of them asks."""
        now_s = monotonic_s()
        if now_s - self._queue_told_s < _QUEUE_TOLD_S or not self._hub.has_listeners(GENERATIONS):
            return
        self._queue_told_s = now_s
        waiting = [job for job in self._book.unfinished.values() if job.state is State.QUEUED][:_QUEUE_TOLD_JOBS]
        for job in self.show(waiting):
            self._hub.publish(Event(GENERATIONS, GENERATION_PROGRESS, job.id, job.numbers(), lasting=False))

    def _live_of(self, job: Job, queued_eta_s: float | None) -> Live:
        live = self._live.get(job.id, Live())
        eta_s = queued_eta_s if job.state is State.QUEUED else self._running_eta_s(job)
        return replace(live, eta_s=eta_s)

    def _running_eta_s(self, job: Job) -> float | None:
        if job.state is not State.RUNNING:
            return None
        mean_s = self._mean_s(job)
        elapsed_s = monotonic_s() - self._take_began_s.get(job.id, monotonic_s())
        present = left_s(mean_s, elapsed_s, self._live.get(job.id, Live()).ratio)
        further = sum(not take.is_done for take in job.takes) - 1
        return present if not further or present is None else present + further * (mean_s or elapsed_s + present)

    def _etas(self, places: Mapping[str, int]) -> dict[str, float]:
        """Return the seconds until each waiting job is done, as far as all before it are known."""
        if not places:
            return {}
        workers = max(1, self._workers())
        running = [job for job in self._book.unfinished.values() if job.state is State.RUNNING]
        ahead_s = sum(self._running_eta_s(job) or 0.0 for job in running)
        etas: dict[str, float] = {}
        for job_id in sorted(places, key=lambda each: places[each]):
            job = self._book.unfinished.get(job_id)
            mean_s = None if job is None else self._mean_s(job)
            if job is None or mean_s is None:
                break
            own_s = mean_s * sum(not take.is_done for take in job.takes)
            etas[job_id] = ahead_s / workers + own_s
            ahead_s += own_s
        return etas

    def _mean_s(self, job: Job) -> float | None:
        shape = self._means.get(job.id)
        if shape is None:
            shape = ""
            with suppress(ComfyUIError):
                shape = shape_of(Graph.parse(job.takes[0].graph))
            self._means[job.id] = shape
        return self._timings.mean_s(shape)


def _done(job: Job) -> int:
    return sum(take.is_done for take in job.takes)
