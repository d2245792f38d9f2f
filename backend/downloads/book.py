"""Every job in memory, and the rule that a change is stored before anybody sees it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from backend.database import Database
from backend.downloads import store
from backend.downloads.errors import DownloadNotFound, QueueNotStored
from backend.downloads.job import Job
from backend.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Queue:
    """The unfinished jobs in their order, with what is looked up often: places, and who wants which destination."""

    jobs: tuple[Job, ...]
    positions: Mapping[str, int]
    owners: Mapping[Path, tuple[str, ...]]

    @classmethod
    def of(cls, jobs: Iterable[Job]) -> Queue:
        """Put the unfinished ones among *jobs* in order."""
        waiting = tuple(sorted((job for job in jobs if not job.ended), key=lambda job: job.order))
        owners: defaultdict[Path, list[str]] = defaultdict(list)
        for job in waiting:
            for file in job.files:
                if file.destination is not None and not file.ended:
                    owners[file.destination].append(job.id)
        positions = {job.id: position for position, job in enumerate(waiting)}
        return cls(waiting, positions, {path: tuple(ids) for path, ids in owners.items()})


class Book:
    """Hold the jobs; one change at a time is made, stored, and then told.

    ``activity`` grows with every change.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listener: Callable[[Job], None] = _nobody
        self._jobs: dict[str, Job] = {}
        self._turn = asyncio.Lock()
        self._queue: Queue | None = None
        self._unstored: set[str] = set()
        self.activity = 0

    @property
    def jobs(self) -> Mapping[str, Job]:
        """Every job by its id, in the order in which they were made."""
        return self._jobs

    @property
    def queue(self) -> Queue:
        """The unfinished jobs in their order."""
        if self._queue is None:
            self._queue = Queue.of(self._jobs.values())
        return self._queue

    def on_change(self, listener: Callable[[Job], None]) -> None:
        """Call *listener* on the loop after each change, with the job as it now is."""
        self._listener = listener

    def in_order(self) -> list[Job]:
        """Return the queue in its order, then the history, newest first."""
        history = [job for job in self._jobs.values() if job.ended]
        history.sort(key=lambda job: job.finished_at or job.created_at, reverse=True)
        return [*self.queue.jobs, *history]

    def job(self, job_id: str) -> Job:
        """Return one job.

        Raises:
            DownloadNotFound: There is none with this id.
        """
        try:
            return self._jobs[job_id]
        except KeyError:
            raise DownloadNotFound(f"There is no download {job_id!r}.") from None

    async def load(self) -> tuple[list[Job], bool]:
        """Read what is stored, without taking it in: the jobs, and whether newcomers begin paused."""
        return await self._database.read(lambda c: (store.load_jobs(c), store.load_paused(c)))

    async def take(self, jobs: Iterable[Job], *, silently: bool = False) -> None:
        """Store new jobs, then take them in; with *silently* they are neither stored nor told.

        Raises:
            QueueNotStored: They could not be stored and were not taken in.
        """
        taken = list(jobs)
        async with self._turn:
            if not silently:
                await self._store(lambda connection: store.save_jobs(connection, taken))
            for job in taken:
                self._put(job, silently=silently)

    async def change(self, job_id: str, edit: Callable[[Job], Job], *, must: bool = False) -> Job:
        """Let *edit* make a new record of a job, store it, then tell it; return what is in force afterwards.

        *edit* runs when no other change is under way; it refuses by raising, and changes nothing by returning its
        argument.

        Args:
            must: The change has happened already, outside; when it cannot be stored it still counts, and is stored
                together with the next change.
        Raises:
            DownloadNotFound: There is no such job.
            QueueNotStored: Nothing was changed.
        Cancelled: the change is completed nevertheless.
        """
        return await asyncio.shield(asyncio.ensure_future(self._change(job_id, edit, must=must)))

    async def _change(self, job_id: str, edit: Callable[[Job], Job], *, must: bool) -> Job:
        async with self._turn:
            old = self.job(job_id)
            new = edit(old)
            if new is old:
                return old
            jobs = [new, *(self._jobs[other] for other in self._unstored - {job_id})]
            try:
                await self._store(lambda connection: store.save_jobs(connection, jobs))
                self._unstored.clear()
            except QueueNotStored as error:
                if not must:
                    raise
                log.warning("download_state_not_stored", job=job_id, reason=error.message)
                self._unstored.add(job_id)
            self._put(new)
            return new

    async def reorder(self, jobs: Collection[Job]) -> None:
        """Store new priorities and ranks; anything else of *jobs* is left as it is in the book."""
        async with self._turn:
            moved = [self._jobs[job.id].placed(job.priority, job.rank) for job in jobs if job.id in self._jobs]
            await self._store(lambda connection: store.save_order(connection, moved))
            for job in moved:
                self._put(job, silently=True)

    async def remove(self, job_ids: Collection[str]) -> None:
        """Forget jobs."""
        async with self._turn:
            await self._store(lambda connection: store.delete_jobs(connection, job_ids))
            for job_id in job_ids:
                self._jobs.pop(job_id, None)
                self._unstored.discard(job_id)
            self._queue = None
            self.activity += 1

    async def set_paused(self, paused: bool) -> None:
        """Store whether newcomers begin paused."""
        await self._store(lambda connection: store.save_paused(connection, paused))

    def _put(self, job: Job, *, silently: bool = False) -> None:
        self._jobs[job.id] = job
        self._queue = None
        self.activity += 1
        if not silently:
            self._listener(job)

    async def _store(self, write: store.Write) -> None:
        try:
            await self._database.write(write)
        except store.StoreFailed as error:
            raise QueueNotStored(f"The queue could not be stored: {store.reason(error)}.") from error


def _nobody(_job: Job) -> None:
    """Hear nothing."""
