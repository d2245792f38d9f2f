"""The gallery: what was made, and what people said about it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_gallery"
down_revision = "0005_generation"

_NEWEST = ("created_at", "job_id", "place")
_LIVE = sa.text("trashed_at IS NULL")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "gallery_items",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("job_id", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("owner_id", sa.String, nullable=False),
        sa.Column("take", sa.Integer, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("mime", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("duration_s", sa.Float),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("workflow_id", sa.String),
        sa.Column("workflow_version", sa.String),
        sa.Column("seed", sa.String),
        sa.Column("backend", sa.String),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("favourite", sa.Boolean, nullable=False),
        sa.Column("rating", sa.Integer, nullable=False),
        sa.Column("trashed_at", sa.String),
        sa.Column("removal_id", sa.String),
        sa.Column("words", sa.String, nullable=False),
        sa.Column("prompt", sa.String, nullable=False),
        sa.Column("text", sa.String),
        sa.UniqueConstraint("job_id", "key", name="uq_gallery_items_job_id_key"),
    )
    for suffix, column in (
        ("", None),
        ("_of_owner", "owner_id"),
        ("_of_workflow", "workflow_id"),
        ("_of_kind", "kind"),
    ):
        columns = list(_NEWEST) if column is None else [column, *_NEWEST]
        op.create_index(f"ix_gallery_items_newest{suffix}", "gallery_items", columns, sqlite_where=_LIVE)
    op.create_index("ix_gallery_items_removal_id", "gallery_items", ["removal_id"])
    op.create_table(
        "gallery_models",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column(
            "item_id", sa.String, sa.ForeignKey("gallery_items.id", ondelete="CASCADE"), primary_key=True, index=True
        ),
    )
