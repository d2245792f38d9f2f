"""What may be asked about jobs: everybody their own, administrators all."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from backend.database import Database
from backend.events import Hub
from backend.generation import store
from backend.generation.announcer import Announcer
from backend.generation.backends import Backend
from backend.generation.book import Book
from backend.generation.errors import GenerationNotFound
from backend.generation.history import History
from backend.generation.job import Job, Owner
from backend.generation.retelling import retell
from backend.generation.shown import GenerationJob
from backend.generation.store import StoredEvent


@dataclass(frozen=True, slots=True)
class GenerationPage:
    """One page of jobs, the newest first."""

    items: Sequence[GenerationJob]
    total: int


class GenerationReader:
    """Answer questions; nothing changes by them."""

    def __init__(
        self, database: Database, hub: Hub, book: Book, announcer: Announcer, backends: Mapping[str, Backend]
    ) -> None:
        self.history = History(database)
        self._database = database
        self._hub = hub
        self._book = book
        self._announcer = announcer
        self._backends = backends

    async def get(self, job_id: str, owner: Owner) -> GenerationJob:
        """Return one job as it is now.

        Raises:
            GenerationNotFound: There is none, or it is somebody else's.
        """
        return self._announcer.show([await self._own(job_id, owner)])[0]

    async def record(self, job_id: str, owner: Owner) -> Job:
        """Return the whole record of a job, graphs included.

        Raises:
            GenerationNotFound: There is none, or it is somebody else's.
        """
        return await self._own(job_id, owner)

    async def list(
        self,
        owner: Owner,
        *,
        states: Collection[str] = (),
        workflow_id: str | None = None,
        source: str | None = None,
        query: str = "",
        mine: bool = False,
        listed: bool = False,
        limit: int = 50,
        offset: int = 0,
    ) -> GenerationPage:
        """Return one page of the jobs that *owner* may see, the newest first.

        Args:
            query: Only jobs with this text in their title or id, in any case of letters.
            mine: For somebody who sees everything: only their own.
            listed: Without what the owner took out of the history.
        """
        owner_id = None if owner.is_admin and not mine else owner.id
        jobs, total = await self._database.read(
            lambda connection: store.page(
                connection, owner_id=owner_id, states=states, workflow_id=workflow_id, source=source, query=query,
                listed_for=owner.id if listed else None, limit=limit, offset=offset,
            )
        )  # fmt: skip
        now = [self._book.unfinished.get(job.id, job) for job in jobs]
        return GenerationPage(self._announcer.show(now), total)

    def unfinished(self, owner: Owner) -> Sequence[GenerationJob]:
        """Return the jobs of *owner* that wait or run, in the order in which they were made."""
        return self._announcer.show(job for job in self._book.unfinished.values() if owner.may_see(job.owner.id))

    def depth(self, owner: Owner) -> int:
        """Return how many jobs of those that *owner* may see wait or run."""
        return sum(owner.may_see(job.owner.id) for job in self._book.unfinished.values())

    def ongoing(self, backend_id: str) -> Job | None:
        """Return the record of the job that a backend runs now, as far as it has not ended."""
        job_id = self._backends[backend_id].current
        return None if job_id is None else self._book.unfinished.get(job_id)

    def may_see(self, owner: Owner, job_id: str) -> bool:
        """Tell whether what happens to a job is told to *owner*; costs two look-ups."""
        return owner.is_admin or self._book.owner_of(job_id) == owner.id

    async def events(self, job_id: str, owner: Owner, after: int = 0) -> AsyncGenerator[StoredEvent]:
        """Walk what happened to a job after the event of number *after*, and what happens, until it has ended.

        Progress comes with the number 0; it is not told again.

        Raises:
            GenerationNotFound: There is none, or it is somebody else's.
        """
        await self._own(job_id, owner)
        async with aclosing(retell(self._database, self._hub, self._book, job_id, after)) as told:
            async for event in told:
                yield event

    async def _own(self, job_id: str, owner: Owner) -> Job:
        job = await self._book.job(job_id)
        if not owner.may_see(job.owner.id):
            raise GenerationNotFound(f"There is no generation {job_id!r}.")
        return job
