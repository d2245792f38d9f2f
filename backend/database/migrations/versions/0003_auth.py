"""Who may come in: sessions, API keys, the password's hash."""

from __future__ import annotations

revision = "0003_auth"
down_revision = "0002_model_files"


def upgrade() -> None:
    """Make the tables."""
