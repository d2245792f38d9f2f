"""Settings that the user changed in the UI."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001_settings"
down_revision = None


def upgrade() -> None:
    """Make the settings table."""
    op.create_table(
        "settings",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("updated_at", sa.String, nullable=False),
    )
