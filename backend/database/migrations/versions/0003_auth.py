"""Who may come in: sessions, API keys, the password's hash."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_auth"
down_revision = "0002_model_files"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "auth_passwords",
        sa.Column("origin", sa.String, primary_key=True),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("set_at", sa.String, nullable=False),
    )
    op.create_table(
        "auth_sessions",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("token_id", sa.String, nullable=False),
        sa.Column("password_id", sa.String, nullable=False),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("agent", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("last_used_at", sa.String, nullable=False),
        sa.Column("expires_at", sa.String, nullable=False),
    )
    op.create_table(
        "auth_api_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        sa.Column("ends_with", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("last_used_at", sa.String),
    )
