"""The tables of the queue, and the few statements on them. What is stored holds no secret: addresses are cut here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    Row,
    String,
    Table,
    bindparam,
    delete,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError as StoreFailed

from backend.database import metadata
from backend.downloads.address import keeps_a_secret, shown_url
from backend.downloads.job import DownloadState, Job, JobFile, JobKind, Problem

downloads = Table(
    "downloads",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("preset_id", String),
    Column("priority", Integer, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("created_at", String, nullable=False),
    Column("started_at", String),
    Column("finished_at", String),
)

download_files = Table(
    "download_files",
    metadata,
    Column("id", String, primary_key=True),
    Column("job_id", String, ForeignKey("downloads.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("place", Integer, nullable=False),
    Column("directory", String, nullable=False),
    Column("name", String, nullable=False),
    Column("url", String, nullable=False),
    # False: a signature was cut off, so the address cannot be used after a restart.
    Column("url_is_whole", Boolean, nullable=False),
    Column("revision", String),
    Column("size_bytes", BigInteger),
    Column("size_estimate_bytes", BigInteger),
    Column("sha256", String),
    Column("state", String, nullable=False),
    Column("bytes_total", BigInteger),
    Column("bytes_done", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("found_sha256", String),
    Column("verified", Boolean),
    Column("problem", JSON(none_as_null=True)),
)

download_queue = Table(
    "download_queue",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Boolean, nullable=False),
)

Write: TypeAlias = Callable[[Connection], None]

_PAUSED = "paused"


def reason(error: StoreFailed) -> str:
    """Say in the database's own words why a statement failed: a full disk, a read-only file."""
    return str(getattr(error, "orig", None) or error).rstrip(".")


def save_jobs(connection: Connection, jobs: Iterable[Job]) -> None:
    """Keep *jobs* as they are now, in place of what was kept before."""
    for job in jobs:
        values = _job_values(job)
        statement = insert(downloads).values(values)
        connection.execute(statement.on_conflict_do_update(index_elements=[downloads.c.id], set_=values))
        for place, file in enumerate(job.files):
            row = _file_values(job.id, place, file)
            kept = insert(download_files).values(row)
            connection.execute(kept.on_conflict_do_update(index_elements=[download_files.c.id], set_=row))


def save_order(connection: Connection, jobs: Collection[Job]) -> None:
    """Keep priority and rank of *jobs*."""
    if jobs:
        statement = update(downloads).where(downloads.c.id == bindparam("job_id"))
        connection.execute(
            statement.values(priority=bindparam("new_priority"), rank=bindparam("new_rank")),
            [{"job_id": job.id, "new_priority": job.priority, "new_rank": job.rank} for job in jobs],
        )


def delete_jobs(connection: Connection, job_ids: Collection[str]) -> None:
    """Forget jobs and their files."""
    connection.execute(delete(downloads).where(downloads.c.id.in_(job_ids)))


def save_paused(connection: Connection, paused: bool) -> None:
    """Keep whether newcomers begin paused."""
    values = {"name": _PAUSED, "value": paused}
    statement = insert(download_queue).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=[download_queue.c.name], set_=values))


def load_paused(connection: Connection) -> bool:
    """Tell whether newcomers begin paused."""
    query = select(download_queue.c.value).where(download_queue.c.name == _PAUSED)
    return bool(connection.execute(query).scalar())


def load_jobs(connection: Connection) -> list[Job]:
    """Return every job."""
    files: defaultdict[str, list[JobFile]] = defaultdict(list)
    for row in connection.execute(select(download_files).order_by(download_files.c.job_id, download_files.c.place)):
        files[row.job_id].append(_file_from(row))
    rows = connection.execute(select(downloads).order_by(downloads.c.rank)).all()
    return [_job_from(row, tuple(files[row.id])) for row in rows if row.id in files]


def _job_values(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": str(job.kind),
        "name": job.name,
        "preset_id": job.preset_id,
        "priority": job.priority,
        "rank": job.rank,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }


def _file_values(job_id: str, place: int, file: JobFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "job_id": job_id,
        "place": place,
        "directory": file.directory,
        "name": file.name,
        "url": shown_url(file.url),
        "url_is_whole": not keeps_a_secret(file.url),
        "revision": file.revision,
        "size_bytes": file.size_bytes,
        "size_estimate_bytes": file.size_estimate_bytes,
        "sha256": file.sha256,
        "state": str(file.state),
        "bytes_total": file.bytes_total,
        "bytes_done": file.bytes_done,
        "attempts": file.attempts,
        "found_sha256": file.found_sha256,
        "verified": file.verified,
        "problem": asdict(file.problem) if file.problem else None,
    }


def _job_from(row: Row[Any], files: tuple[JobFile, ...]) -> Job:
    return Job(
        id=row.id,
        kind=JobKind(row.kind),
        name=row.name,
        preset_id=row.preset_id,
        files=files,
        priority=row.priority,
        rank=row.rank,
        created_at=datetime.fromisoformat(row.created_at),
        started_at=datetime.fromisoformat(row.started_at) if row.started_at else None,
        finished_at=datetime.fromisoformat(row.finished_at) if row.finished_at else None,
    )


def _file_from(row: Row[Any]) -> JobFile:
    return JobFile(
        id=row.id,
        directory=row.directory,
        name=row.name,
        url=row.url,
        url_was_cut=not row.url_is_whole,
        revision=row.revision,
        size_bytes=row.size_bytes,
        size_estimate_bytes=row.size_estimate_bytes,
        sha256=row.sha256,
        state=DownloadState(row.state),
        bytes_total=row.bytes_total,
        bytes_done=row.bytes_done,
        attempts=row.attempts,
        found_sha256=row.found_sha256,
        verified=row.verified,
        problem=Problem(**row.problem) if row.problem else None,
    )
