"""Every unfinished job in memory, and the rule that a change is stored before anybody sees it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TypeAlias
from weakref import WeakValueDictionary

from backend.database import Database
from backend.events.types import GENERATION_CHANGED
from backend.generation import store
from backend.generation.errors import GenerationNotFound, GenerationNotStored
from backend.generation.job import Job
from backend.generation.ports import ResultUploads
from backend.generation.shown import shown
from backend.generation.webhooks import webhook_for

_REMEMBERED = 10_000  # jobs whose owner is known without asking the database

Edit: TypeAlias = Callable[[Job], Job]


class Book:
    """Hold the unfinished jobs; one change of a job at a time is made, stored, and then told.

    With every change of what is shown an event is stored, and with the end of a job the message to its webhook and what
    *copies* has to do.
    """

    def __init__(self, database: Database, copies: ResultUploads | None = None) -> None:
        self._database = database
        self._copies = copies
        self._jobs: dict[str, Job] = {}
        self._owners: OrderedDict[str, str] = OrderedDict()
        # A lock lives as long as somebody holds it or waits for it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._listener: Callable[[Job | None, Job], None] = _nobody

    @property
    def unfinished(self) -> Mapping[str, Job]:
        """Every job that has not ended, in the order in which they were made."""
        return self._jobs

    def on_change(self, listener: Callable[[Job | None, Job], None]) -> None:
        """Call *listener* on the loop after each change, with the job before (None for a new one) and now."""
        self._listener = listener

    def owner_of(self, job_id: str) -> str | None:
        """Return whose job it is, of those that changed lately."""
        return self._owners.get(job_id)

    async def load(self) -> list[Job]:
        """Take in what is unfinished, and return it."""
        jobs = await self._database.read(store.load_unfinished)
        for job in jobs:
            self._put(job)
        return jobs

    async def job(self, job_id: str) -> Job:
        """Return one job as it is now.

        Raises:
            GenerationNotFound: There is none.
        """
        known = self._jobs.get(job_id)
        if known is None:
            known = await self._database.read(lambda connection: store.load_job(connection, job_id))
        if known is None:
            raise GenerationNotFound(f"There is no generation {job_id!r}.")
        self._remember(known)
        return known

    async def add(self, job: Job, *, idempotency_key: str | None, fingerprint: str) -> None:
        """Store a new job, then take it in.

        Raises:
            GenerationNotStored: It was not taken in.
        Cancelled: it is stored and taken in nevertheless.
        """
        await asyncio.shield(asyncio.ensure_future(self._add(job, idempotency_key, fingerprint)))

    async def change(self, job_id: str, edit: Edit) -> Job:
        """Let *edit* make a new record of a job, store it, then tell it; return what is in force afterwards.

        *edit* refuses by raising, and changes nothing by returning its argument.

        Raises:
            GenerationNotFound: There is no such job.
            GenerationNotStored: Nothing was changed.
        Cancelled: the change is completed nevertheless.
        """
        return await asyncio.shield(asyncio.ensure_future(self._change(job_id, edit)))

    async def _add(self, job: Job, idempotency_key: str | None, fingerprint: str) -> None:
        def write(connection: store.Connection) -> None:
            store.add_job(connection, job, idempotency_key=idempotency_key, fingerprint=fingerprint)
            store.add_event(connection, job.id, GENERATION_CHANGED, shown(job).as_dict())

        await self._store(write)
        self._put(job)
        self._listener(None, job)

    async def _change(self, job_id: str, edit: Edit) -> Job:
        turn = self._turns.setdefault(job_id, asyncio.Lock())
        async with turn:
            old = await self.job(job_id)
            new = edit(old)
            if new is old:
                return old
            await self._store(lambda connection: self._save(connection, old, new))
            self._put(new)
            self._listener(old, new)
        return new

    def _put(self, job: Job) -> None:
        if job.ended:
            self._jobs.pop(job.id, None)
        else:
            self._jobs[job.id] = job
        self._remember(job)

    def _remember(self, job: Job) -> None:
        self._owners[job.id] = job.owner.id
        self._owners.move_to_end(job.id)
        if len(self._owners) > _REMEMBERED:
            self._owners.popitem(last=False)

    async def _store(self, write: store.Write) -> None:
        try:
            await self._database.write(write)
        except store.StoreFailed as error:
            raise GenerationNotStored(f"The job could not be stored: {store.reason(error)}.") from error

    def _save(self, connection: store.Connection, old: Job, new: Job) -> None:
        store.save_job(connection, new)
        now = shown(new)
        if now != shown(old):
            store.add_event(connection, new.id, GENERATION_CHANGED, now.as_dict())
        if new.ended and not old.ended:
            if new.webhook_url is not None:
                store.add_webhook(connection, webhook_for(new))
            if self._copies is not None and new.results:
                self._copies.begin(new.id)(connection)


def _nobody(_old: Job | None, _new: Job) -> None:
    """Hear nothing."""
