"""What happened to a job, told again to whoever missed it, and then what happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from backend.database import Database
from backend.events import Hub
from backend.events.types import GENERATION_PROGRESS, GENERATIONS
from backend.generation import store
from backend.generation.book import Book
from backend.generation.store import StoredEvent


async def retell(database: Database, hub: Hub, book: Book, job_id: str, after: int) -> AsyncGenerator[StoredEvent]:
    """Walk the events of a job after number *after*, until it has ended; progress comes with the number 0."""
    # Listening starts before the past is read, so that nothing falls between the two.
    with hub.subscribe([GENERATIONS], key=job_id, progress_interval_s=0.1) as subscription:
        while True:
            stored = await database.read(lambda c, after=after: store.load_events(c, job_id, after))
            for event in stored:
                after = event.seq
                yield event
            if (await book.job(job_id)).ended:
                return
            for told in await subscription.next():
                if told.event.type == GENERATION_PROGRESS:
                    yield StoredEvent(0, job_id, told.event.type, told.at.isoformat(), told.event.data)
            if subscription.lost:
                subscription.resume()
