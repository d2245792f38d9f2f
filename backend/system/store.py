"""The settings table, read and written."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from backend.database import settings_table
from backend.errors import JSON
from backend.kit.clock import utc_now


def read_settings(connection: Connection) -> dict[str, JSON]:
    """Return every stored setting as it stands; the caller checks the values."""
    rows = connection.execute(select(settings_table.c.name, settings_table.c.value))
    return {row.name: row.value for row in rows}


def write_setting(connection: Connection, name: str, value: JSON) -> None:
    """Insert or replace one setting."""
    statement = insert(settings_table).values(name=name, value=value, updated_at=utc_now().isoformat())
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[settings_table.c.name],
            set_={"value": statement.excluded.value, "updated_at": statement.excluded.updated_at},
        )
    )


def delete_setting(connection: Connection, name: str) -> None:
    """Remove one setting; a missing one is fine."""
    connection.execute(delete(settings_table).where(settings_table.c.name == name))
