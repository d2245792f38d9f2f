"""The tables of generation, as the migrations make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.exc import SQLAlchemyError as StoreFailed

from backend.database import metadata

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

# What somebody took out of the history that they are told; the owner here is who did, not whose job it is.
hidden = Table(
    "generation_hidden",
    metadata,
    Column("owner_id", String, primary_key=True),
    Column("job_id", String, ForeignKey("generation_jobs.id", ondelete="CASCADE"), primary_key=True, index=True),
)

Write: TypeAlias = Callable[[Connection], None]


def reason(error: StoreFailed) -> str:
    """Say in the database's own words why a statement failed."""
    return str(getattr(error, "orig", None) or error).rstrip(".")
