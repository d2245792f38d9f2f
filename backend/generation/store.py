"""The tables of generation, and the few statements on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError as StoreFailed

from backend import errors
from backend.database import metadata
from backend.generation.job import ENDED, Job, Kind, Owner, Problem, State, StoredResult, Take
from backend.kit.clock import utc_now
from backend.kit.ids import new_id

jobs = Table(
    "generation_jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner_id", String, nullable=False, index=True),
    Column("owner_name", String, nullable=False),
    Column("source", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("title", String, nullable=False),
    Column("workflow_id", String),
    Column("workflow_version", String),
    Column("inputs", JSON, nullable=False),
    Column("extra_data", JSON, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("created_at", String, nullable=False),
    Column("started_at", String),
    Column("finished_at", String),
    Column("backend", String),
    Column("cancelling", Boolean, nullable=False),
    Column("problem", JSON(none_as_null=True)),
    Column("webhook_url", String),
    Column("models", JSON, nullable=False),
    Column("idempotency_key", String),
    Column("fingerprint", String, nullable=False),
    UniqueConstraint("owner_id", "idempotency_key", name="uq_generation_jobs_owner_id_key"),
)

takes = Table(
    "generation_takes",
    metadata,
    Column("job_id", String, ForeignKey("generation_jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("graph", JSON, nullable=False),
    Column("seed", String),  # up to 2^64, which no integer column holds
    Column("prompt_id", String),
    Column("backend", String),
    Column("attempts", Integer, nullable=False),
    Column("is_done", Boolean, nullable=False),
)

# One row per output of a job, whatever was killed and collected again.
results = Table(
    "generation_results",
    metadata,
    Column("id", String, primary_key=True),
    Column("job_id", String, ForeignKey("generation_jobs.id", ondelete="CASCADE"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("key", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("mime", String, nullable=False),
    Column("path", String),
    Column("thumbnail", String),
    Column("width", Integer),
    Column("height", Integer),
    Column("duration_s", Float),
    Column("bytes", BigInteger, nullable=False),
    Column("text", String),
    Column("sha256", String),
    Column("created_at", String, nullable=False),
    UniqueConstraint("job_id", "key", name="uq_generation_results_job_id_key"),
)

events = Table(
    "generation_events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String, ForeignKey("generation_jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("type", String, nullable=False),
    Column("at", String, nullable=False),
    Column("data", JSON, nullable=False),
)

webhooks = Table(
    "generation_webhooks",
    metadata,
    Column("id", String, primary_key=True),
    Column("job_id", String, ForeignKey("generation_jobs.id", ondelete="CASCADE"), nullable=False),
    Column("url", String, nullable=False),
    Column("body", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    # None: delivered, or given up.
    Column("due_at", String),
    Column("reason", String),
)

timings = Table(
    "generation_timings",
    metadata,
    Column("shape", String, primary_key=True),
    Column("mean_s", Float, nullable=False),
    Column("runs", Integer, nullable=False),
)

Write: TypeAlias = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """Something that happened to a job, as it is told again to whoever missed it."""

    seq: int
    job_id: str
    type: str
    at: str
    data: Mapping[str, errors.JSON]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A message to a client's address; ``due_at`` is None once it is delivered or given up."""

    id: str
    job_id: str
    url: str
    body: str
    attempts: int = 0
    due_at: str | None = None
    reason: str | None = None


_RESULT_FIELDS = (
    "id", "key", "kind", "mime", "path", "thumbnail", "width", "height", "duration_s", "bytes", "text", "sha256",
)  # fmt: skip
_ENDED = [str(state) for state in ENDED]


def reason(error: StoreFailed) -> str:
    """Say in the database's own words why a statement failed."""
    return str(getattr(error, "orig", None) or error).rstrip(".")


def add_job(connection: Connection, job: Job, *, idempotency_key: str | None, fingerprint: str) -> None:
    """Keep a new job."""
    keys = {"idempotency_key": idempotency_key, "fingerprint": fingerprint}
    connection.execute(jobs.insert(), {**_facts(job), **_request(job), **keys})
    connection.execute(takes.insert(), [{"graph": dict(take.graph), **_take(job.id, take)} for take in job.takes])


def save_job(connection: Connection, job: Job) -> None:
    """Keep what may have changed of *job*: its state, its takes, and results that are not there yet."""
    # Values travel beside the statements: as parts of them, each would be made into an expression first.
    connection.execute(jobs.update().where(jobs.c.id == job.id), _facts(job))
    for take in job.takes:
        values = _take(job.id, take)
        here = (takes.c.job_id == job.id) & (takes.c.place == take.place)
        connection.execute(takes.update().where(here), values)
    now = utc_now().isoformat()
    for place, result in enumerate(job.results):
        values = {name: getattr(result, name) for name in _RESULT_FIELDS}
        row = {**values, "job_id": job.id, "place": place, "created_at": now}
        connection.execute(insert(results).on_conflict_do_nothing(index_elements=["job_id", "key"]), row)


def named(result: StoredResult) -> StoredResult:
    """Return the result with an id."""
    return result if result.id else replace(result, id=new_id())


def load_jobs(connection: Connection, where: ColumnElement[bool]) -> list[Job]:
    """Return whole jobs, the oldest first."""
    rows = connection.execute(select(jobs).where(where).order_by(jobs.c.created_at, jobs.c.id)).all()
    return _whole(connection, rows)


def load_unfinished(connection: Connection) -> list[Job]:
    """Return every job that has not ended."""
    return load_jobs(connection, jobs.c.state.not_in(_ENDED))


def load_job(connection: Connection, job_id: str) -> Job | None:
    """Return one job."""
    return next(iter(load_jobs(connection, jobs.c.id == job_id)), None)


def find_by_key(connection: Connection, owner_id: str, key: str) -> tuple[str, str] | None:
    """Return id and fingerprint of the job that an owner asked for under an Idempotency-Key."""
    query = select(jobs.c.id, jobs.c.fingerprint).where(jobs.c.owner_id == owner_id, jobs.c.idempotency_key == key)
    row = connection.execute(query).first()
    return None if row is None else (row.id, row.fingerprint)


def page(
    connection: Connection,
    *,
    owner_id: str | None,
    states: Collection[str],
    workflow_id: str | None,
    source: str | None,
    query: str,
    limit: int,
    offset: int,
) -> tuple[list[Job], int]:
    """Return jobs, the newest first, and how many match."""
    conditions: list[ColumnElement[bool]] = []
    if owner_id is not None:
        conditions.append(jobs.c.owner_id == owner_id)
    if states:
        conditions.append(jobs.c.state.in_(states))
    if workflow_id is not None:
        conditions.append(jobs.c.workflow_id == workflow_id)
    if source is not None:
        conditions.append(jobs.c.source == source)
    if query:
        conditions.append(or_(*(column.icontains(query, autoescape=True) for column in (jobs.c.title, jobs.c.id))))
    total = connection.execute(select(func.count()).select_from(jobs).where(*conditions)).scalar() or 0
    found = select(jobs).where(*conditions).order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
    rows = connection.execute(found.limit(limit).offset(offset)).all()
    return _whole(connection, rows), total


def add_event(connection: Connection, job_id: str, kind: str, data: Mapping[str, errors.JSON]) -> int:
    """Keep something that happened to a job; return its number, which only grows."""
    values = {"job_id": job_id, "type": kind, "at": utc_now().isoformat(), "data": dict(data)}
    inserted = connection.execute(events.insert(), values).inserted_primary_key
    return 0 if inserted is None else int(inserted[0])


def load_events(connection: Connection, job_id: str, after: int) -> list[StoredEvent]:
    """Return what happened to a job after the event of number *after*."""
    query = select(events).where(events.c.job_id == job_id, events.c.seq > after).order_by(events.c.seq)
    return [StoredEvent(row.seq, row.job_id, row.type, row.at, row.data) for row in connection.execute(query)]


def add_webhook(connection: Connection, hook: Webhook) -> None:
    """Keep a message that must be delivered."""
    connection.execute(webhooks.insert().values(asdict(hook)))


def save_webhook(connection: Connection, hook: Webhook) -> None:
    """Keep how far the delivery has come."""
    values = {"attempts": hook.attempts, "due_at": hook.due_at, "reason": hook.reason}
    connection.execute(webhooks.update().where(webhooks.c.id == hook.id).values(values))


def load_webhooks(connection: Connection) -> list[Webhook]:
    """Return the messages that are not delivered yet, the next one first."""
    query = select(webhooks).where(webhooks.c.due_at.is_not(None)).order_by(webhooks.c.due_at)
    return [
        Webhook(row.id, row.job_id, row.url, row.body, row.attempts, row.due_at, row.reason)
        for row in connection.execute(query)
    ]


def load_timings(connection: Connection) -> dict[str, tuple[float, int]]:
    """Return mean seconds and number of runs by shape."""
    return {row.shape: (row.mean_s, row.runs) for row in connection.execute(select(timings))}


def save_timings(connection: Connection, known: Mapping[str, tuple[float, int]]) -> None:
    """Keep mean seconds and number of runs of some shapes."""
    for shape, (mean_s, runs) in known.items():
        values = {"shape": shape, "mean_s": mean_s, "runs": runs}
        connection.execute(insert(timings).values(values).on_conflict_do_update(index_elements=["shape"], set_=values))


def _whole(connection: Connection, rows: Sequence[Row[Any]]) -> list[Job]:
    ids = [row.id for row in rows]
    job_takes: defaultdict[str, list[Take]] = defaultdict(list)
    job_results: defaultdict[str, list[StoredResult]] = defaultdict(list)
    for some in _parts(ids):
        for row in connection.execute(select(takes).where(takes.c.job_id.in_(some)).order_by(takes.c.place)):
            job_takes[row.job_id].append(
                Take(
                    row.place,
                    row.graph,
                    int(row.seed) if row.seed else None,
                    row.prompt_id,
                    row.backend,
                    row.attempts,
                    row.is_done,
                )
            )
        for row in connection.execute(select(results).where(results.c.job_id.in_(some)).order_by(results.c.place)):
            job_results[row.job_id].append(StoredResult(**{name: getattr(row, name) for name in _RESULT_FIELDS}))
    return [_job(row, tuple(job_takes[row.id]), tuple(job_results[row.id])) for row in rows]


def _parts(ids: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    """Cut *ids* into lists that fit into one statement."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _request(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "owner_id": job.owner.id,
        "owner_name": job.owner.name,
        "source": job.source,
        "kind": str(job.kind),
        "title": job.title,
        "workflow_id": job.workflow_id,
        "workflow_version": job.workflow_version,
        "inputs": dict(job.inputs),
        "extra_data": dict(job.extra_data),
        "priority": job.priority,
        "created_at": job.created_at.isoformat(),
        "webhook_url": job.webhook_url,
        "models": [*job.models],
    }


def _facts(job: Job) -> dict[str, Any]:
    return {
        "state": str(job.state),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "backend": job.backend,
        "cancelling": job.cancelling,
        "problem": asdict(job.problem) if job.problem else None,
    }


def _take(job_id: str, take: Take) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "place": take.place,
        "seed": None if take.seed is None else str(take.seed),
        "prompt_id": take.prompt_id,
        "backend": take.backend,
        "attempts": take.attempts,
        "is_done": take.is_done,
    }


def _job(row: Row[Any], job_takes: tuple[Take, ...], job_results: tuple[StoredResult, ...]) -> Job:
    return Job(
        id=row.id,
        owner=Owner(row.owner_id, row.owner_name),
        source=row.source,
        kind=Kind(row.kind),
        title=row.title,
        takes=job_takes,
        created_at=datetime.fromisoformat(row.created_at),
        workflow_id=row.workflow_id,
        workflow_version=row.workflow_version,
        inputs=row.inputs,
        extra_data=row.extra_data,
        priority=row.priority,
        state=State(row.state),
        started_at=datetime.fromisoformat(row.started_at) if row.started_at else None,
        finished_at=datetime.fromisoformat(row.finished_at) if row.finished_at else None,
        backend=row.backend,
        cancelling=row.cancelling,
        problem=Problem(**row.problem) if row.problem else None,
        webhook_url=row.webhook_url,
        models=tuple(row.models),
        results=job_results,
    )
