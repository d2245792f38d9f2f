"""Files that were read whole, with the result."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_model_files"
down_revision = "0001_settings"


def upgrade() -> None:
    """Make the ledger's table."""
    op.create_table(
        "model_files",
        sa.Column("path", sa.String, primary_key=True),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("inode", sa.String, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("source_url", sa.String),
        sa.Column("recorded_at", sa.String, nullable=False),
    )
