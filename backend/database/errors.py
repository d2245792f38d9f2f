"""What can go wrong with the database file itself."""

from __future__ import annotations

from backend.errors import HearthError


class DatabaseError(HearthError):
    """The database cannot be opened or written."""

    code = "database_unavailable"
    status = 503
    default_hint = "Check that the workspace is writable and not full, then start Hearth again."


class DatabaseTooNew(DatabaseError):
    """The file was written by a newer Hearth; opening it could lose what this version does not know."""

    code = "database_too_new"
    default_hint = "Start the newer Hearth again, or restore the copy that was kept beside the database."
