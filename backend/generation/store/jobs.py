"""Jobs with their takes and results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, String, func, or_, select, type_coerce
from sqlalchemy.dialects.sqlite import insert

from backend.generation.job import ENDED, Job, Kind, Owner, Problem, State, StoredResult, Take
from backend.generation.store.history import is_listed
from backend.generation.store.tables import jobs, results, takes
from backend.kit.clock import utc_now
from backend.kit.ids import new_id

_RESULT_FIELDS = (
    "id", "key", "kind", "mime", "path", "thumbnail", "width", "height", "duration_s", "bytes", "text", "sha256",
)  # fmt: skip
_ENDED = [str(state) for state in ENDED]


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
    listed_for: str | None,
    limit: int,
    offset: int,
) -> tuple[list[Job], int]:
    """Return jobs, the newest first, and how many match; *listed_for* leaves out what this one took out of the history."""
    conditions: list[ColumnElement[bool]] = []
    if listed_for is not None:
        conditions.append(is_listed(listed_for))
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


def graphs_since(connection: Connection, oldest: datetime, *, naming: str) -> list[str]:
    """Return as text the graphs with *naming* in them, of jobs that have not ended or did so since *oldest*."""
    graph = type_coerce(takes.c.graph, String)  # as it is stored
    recent = or_(
        jobs.c.state.not_in(_ENDED), func.coalesce(jobs.c.finished_at, jobs.c.created_at) >= oldest.isoformat()
    )
    query = select(graph).join(jobs, jobs.c.id == takes.c.job_id).where(recent, graph.contains(naming, autoescape=True))
    return list(connection.execute(query).scalars())


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
