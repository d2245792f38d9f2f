"""What happened to jobs, kept so that it can be told again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from backend.errors import JSON
from backend.generation.store.tables import events
from backend.kit.clock import utc_now


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """Something that happened to a job, as it is told again to whoever missed it."""

    seq: int
    job_id: str
    type: str
    at: str
    data: Mapping[str, JSON]


def add_event(connection: Connection, job_id: str, kind: str, data: Mapping[str, JSON]) -> int:
    """Keep something that happened to a job; return its number, which only grows."""
    values = {"job_id": job_id, "type": kind, "at": utc_now().isoformat(), "data": dict(data)}
    inserted = connection.execute(events.insert(), values).inserted_primary_key
    return 0 if inserted is None else int(inserted[0])


def load_events(connection: Connection, job_id: str, after: int) -> list[StoredEvent]:
    """Return what happened to a job after the event of number *after*."""
    query = select(events).where(events.c.job_id == job_id, events.c.seq > after).order_by(events.c.seq)
    return [StoredEvent(row.seq, row.job_id, row.type, row.at, row.data) for row in connection.execute(query)]
