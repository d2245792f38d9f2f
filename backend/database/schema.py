"""Bring the schema up to date at start, keeping a copy of the file first.

Alembic is imported only when there is something to do: its import costs about 0.2 s, a current database is recognised
with one query.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from backend.database.errors import DatabaseTooNew
from backend.kit.atomic import fsync_directory

_MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = max(script.stem for script in (_MIGRATIONS / "versions").glob("[0-9]*.py"))  # file name == revision id
_KEEP_COPIES = 3


def migrate(engine: Engine, path: Path) -> None:
    """Run the missing migrations; the file as it was is kept as ``<name>.before-<revision>``; blocking.

    Raises:
        DatabaseTooNew: The file carries a revision that this version does not know.
    """
    current = _current_revision(engine)
    if current == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    if current is not None:
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if current not in known:
            raise DatabaseTooNew(f"The database {path} has revision {current}, newer than this Hearth knows ({HEAD}).")
        _keep_copy(path, current)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)


def _current_revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        try:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except OperationalError:  # no such table: a new file
            return None


def _keep_copy(path: Path, revision: str) -> None:
    """Copy the database with SQLite's own backup, so that pages still in the write-ahead log are in it."""
    copy = path.with_name(f"{path.name}.before-{revision}")
    temporary = copy.with_name(copy.name + ".tmp")
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(temporary)) as target:
        source.backup(target)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(copy)
    fsync_directory(path.parent)
    copies = sorted(path.parent.glob(f"{path.name}.before-*"), key=lambda old: old.stat().st_mtime_ns)
    for old in copies[:-_KEEP_COPIES]:
        old.unlink(missing_ok=True)
