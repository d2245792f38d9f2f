"""SQLite under ``<workspace>/config/``: one writer thread, short reads beside it, migrations at start.

Features attach their tables to ``metadata`` in their own ``store.py`` and hand plain functions to :class:`Database`.
"""

from backend.database.engine import Database
from backend.database.errors import DatabaseError, DatabaseTooNew
from backend.database.tables import metadata, settings_table

__all__ = ["Database", "DatabaseError", "DatabaseTooNew", "metadata", "settings_table"]
