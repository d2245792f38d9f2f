"""The download queue and its history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_downloads"
down_revision = "0003_auth"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "downloads",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("preset_id", sa.String),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("started_at", sa.String),
        sa.Column("finished_at", sa.String),
    )
    op.create_table(
        "download_files",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("job_id", sa.String, sa.ForeignKey("downloads.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("directory", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("url_is_whole", sa.Boolean, nullable=False),
        sa.Column("revision", sa.String),
        sa.Column("size_bytes", sa.BigInteger),
        sa.Column("size_estimate_bytes", sa.BigInteger),
        sa.Column("sha256", sa.String),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("bytes_total", sa.BigInteger),
        sa.Column("bytes_done", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("found_sha256", sa.String),
        sa.Column("verified", sa.Boolean),
        sa.Column("problem", sa.JSON),
    )
    op.create_table(
        "download_queue",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.Boolean, nullable=False),
    )
