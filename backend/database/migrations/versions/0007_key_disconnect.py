"""Keys whose jobs end when the program that sent them goes away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_key_disconnect"
down_revision = "0006_gallery"


def upgrade() -> None:
    """Add the column; keys that exist go on as before."""
    op.add_column(
        "auth_api_keys", sa.Column("cancel_on_disconnect", sa.Boolean, nullable=False, server_default=sa.false())
    )
