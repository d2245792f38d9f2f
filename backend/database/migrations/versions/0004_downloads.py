"""The download queue and its history."""

from __future__ import annotations

revision = "0004_downloads"
down_revision = "0003_auth"


def upgrade() -> None:
    """Make the tables."""
