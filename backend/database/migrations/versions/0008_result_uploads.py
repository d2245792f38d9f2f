"""Which results are to be copied into a bucket, and which are there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_result_uploads"
down_revision = "0007_key_disconnect"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "result_uploads",
        sa.Column("item_id", sa.String, sa.ForeignKey("gallery_items.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.String),
        sa.Column("problem", sa.JSON),
        sa.Column("uploaded_at", sa.String),
    )
    op.create_index("ix_result_uploads_due_at", "result_uploads", ["due_at"])
