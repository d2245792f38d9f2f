"""The settings table, read and written."""

from __future__ import annotations

import json
from typing import cast

from sqlalchemy import Connection, String, delete, select, type_coerce
from sqlalchemy.dialects.sqlite import insert

from backend.database import settings_table
from backend.errors import JSON
from backend.kit.clock import utc_now


def read_settings(connection: Connection) -> dict[str, JSON]:
    """Return every stored setting as it stands; the caller checks the values, of which even a torn one is text."""
    rows = connection.execute(select(settings_table.c.name, type_coerce(settings_table.c.value, String).label("value")))
    return {row.name: _decoded(row.value) for row in rows}


def _decoded(value: JSON) -> JSON:
    if not isinstance(value, str):
        return value  # SQLite keeps a number in such a column as a number
    try:
        return cast("JSON", json.loads(value))
    except ValueError:
        return value


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
