"""Which jobs somebody took out of their history at the ComfyUI drop-in; job and results stay."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_history_hidden"
down_revision = "0008_result_uploads"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "generation_hidden",
        sa.Column("owner_id", sa.String, primary_key=True),
        sa.Column(
            "job_id", sa.String, sa.ForeignKey("generation_jobs.id", ondelete="CASCADE"), primary_key=True, index=True
        ),
    )
