"""Generation jobs, what happened to them, and what they made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_generation"
down_revision = "0004_downloads"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "generation_jobs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner_id", sa.String, nullable=False, index=True),
        sa.Column("owner_name", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("workflow_id", sa.String),
        sa.Column("workflow_version", sa.String),
        sa.Column("inputs", sa.JSON, nullable=False),
        sa.Column("extra_data", sa.JSON, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False, index=True),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("started_at", sa.String),
        sa.Column("finished_at", sa.String),
        sa.Column("backend", sa.String),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("problem", sa.JSON),
        sa.Column("webhook_url", sa.String),
        sa.Column("models", sa.JSON, nullable=False),
        sa.Column("idempotency_key", sa.String),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.UniqueConstraint("owner_id", "idempotency_key", name="uq_generation_jobs_owner_id_key"),
    )
    op.create_table(
        "generation_takes",
        sa.Column("job_id", sa.String, sa.ForeignKey("generation_jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("graph", sa.JSON, nullable=False),
        sa.Column("seed", sa.String),
        sa.Column("prompt_id", sa.String),
        sa.Column("backend", sa.String),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("is_done", sa.Boolean, nullable=False),
    )
    op.create_table(
        "generation_results",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("job_id", sa.String, sa.ForeignKey("generation_jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("mime", sa.String, nullable=False),
        sa.Column("path", sa.String),
        sa.Column("thumbnail", sa.String),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("duration_s", sa.Float),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("text", sa.String),
        sa.Column("sha256", sa.String),
        sa.Column("created_at", sa.String, nullable=False),
        sa.UniqueConstraint("job_id", "key", name="uq_generation_results_job_id_key"),
    )
    op.create_table(
        "generation_events",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column(
            "job_id", sa.String, sa.ForeignKey("generation_jobs.id", ondelete="CASCADE"), nullable=False, index=True
        ),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
    )
    op.create_table(
        "generation_webhooks",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("job_id", sa.String, sa.ForeignKey("generation_jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.String),
        sa.Column("reason", sa.String),
    )
    op.create_table(
        "generation_timings",
        sa.Column("shape", sa.String, primary_key=True),
        sa.Column("mean_s", sa.Float, nullable=False),
        sa.Column("runs", sa.Integer, nullable=False),
    )
