"""The database opens, migrates, keeps a copy, and refuses what it does not know."""

from __future__ import annotations

import importlib
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect

from backend.database import Database, DatabaseError, DatabaseTooNew, metadata, settings_table
from backend.database.schema import HEAD

_BACKEND = Path(__file__).parents[2] / "backend"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "hearth.db"


def test_a_write_is_there_for_the_next_start(path: Path) -> None:
    """What was written is read after closing and opening again."""
    database = Database.open(path)
    database.write_sync(lambda c: c.execute(settings_table.insert().values(name="a", value=[1], updated_at="now")))
    database.close()
    again = Database.open(path)
    rows = again.read_sync(lambda c: [tuple(row) for row in c.execute(settings_table.select())])
    again.close()

    assert rows == [("a", [1], "now")]


@pytest.mark.anyio
async def test_a_write_that_raises_changes_nothing(database: Database) -> None:
    """One function is one transaction."""

    def half(connection: object) -> None:
        connection.execute(settings_table.insert().values(name="a", value=1, updated_at="now"))  # type: ignore[attr-defined]
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        await database.write(half)
    rows = await database.read(lambda c: c.execute(settings_table.select()).all())

    assert rows == []


def test_commits_reach_the_disk(path: Path) -> None:
    """WAL with synchronous=FULL: an acknowledged write survives a power cut."""
    database = Database.open(path)
    pragmas = database.read_sync(
        lambda c: (c.exec_driver_sql("PRAGMA journal_mode").scalar(), c.exec_driver_sql("PRAGMA synchronous").scalar())
    )
    database.close()

    assert pragmas == ("wal", 2)


def test_a_migration_keeps_a_copy_of_the_file_as_it_was(path: Path) -> None:
    """Whatever a migration does, the old state can be put back."""
    Database.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO settings VALUES ('kept', '1', 'then')")
        connection.execute("UPDATE alembic_version SET version_num = '0001_settings'")
        for (table,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
            " AND name NOT IN ('settings', 'alembic_version')"
        ).fetchall():
            connection.execute(f"DROP TABLE {table}")
    connection.close()
    Database.open(path).close()

    copy = sqlite3.connect(path.with_name("hearth.db.before-0001_settings"))
    assert copy.execute("SELECT name FROM settings").fetchall() == [("kept",)]
    copy.close()


def _as_of(path: Path, revision: str) -> sqlite3.Connection:
    """Make the file as an older Hearth left it."""
    path.parent.mkdir()
    config = Config()
    config.set_main_option("script_location", str(_BACKEND / "database/migrations"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    return sqlite3.connect(path)


def test_keys_from_before_the_flag_go_on_as_they_were(path: Path) -> None:
    """Nobody's jobs begin to end with their socket because Hearth was updated."""
    old = _as_of(path, "0006_gallery")
    old.execute("INSERT INTO auth_api_keys VALUES ('k', 'old', 'read', '00', 'abcd', 'then', NULL)")
    old.commit()
    old.close()
    database = Database.open(path)
    flags = database.read_sync(lambda c: c.exec_driver_sql("SELECT cancel_on_disconnect FROM auth_api_keys").all())
    database.close()

    assert [tuple(row) for row in flags] == [(0,)]


def test_a_database_of_a_newer_hearth_is_left_alone(path: Path) -> None:
    """An older Hearth must not guess what a newer one wrote."""
    Database.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999_future'")
    connection.commit()
    connection.close()

    with pytest.raises(DatabaseTooNew, match="9999_future"):
        Database.open(path)


def test_a_file_that_is_no_database_is_named_as_such(path: Path) -> None:
    """A damaged file gives a sentence, not a traceback, and is not overwritten."""
    path.parent.mkdir()
    path.write_bytes(b"this is not a database" * 100)

    with pytest.raises(DatabaseError, match="cannot be opened: file is not a database"):
        Database.open(path)
    assert path.read_bytes().startswith(b"this is not")


def test_migrations_make_exactly_the_declared_tables(path: Path) -> None:
    """The hand-written migrations and the tables in the stores say the same."""
    for store in sorted(_BACKEND.rglob("store.py")):  # each attaches its tables when it is loaded
        importlib.import_module(".".join(store.relative_to(_BACKEND.parent).with_suffix("").parts))

    Database.open(path).close()
    declared = path.with_name("declared.db")
    engine = create_engine(f"sqlite:///{declared}")
    metadata.create_all(engine)
    migrated_engine = create_engine(f"sqlite:///{path}")
    expected, found = _shape(engine), _shape(migrated_engine)
    found.pop("alembic_version")
    engine.dispose()
    migrated_engine.dispose()

    assert expected == found
    assert (_BACKEND / "database/migrations/versions" / f"{HEAD}.py").exists()


def _shape(engine: object) -> dict[str, object]:
    look = inspect(engine)  # type: ignore[call-overload]
    return {
        table: (
            sorted((c["name"], str(c["type"]), c["nullable"], c["primary_key"]) for c in look.get_columns(table)),
            sorted((tuple(i["column_names"]), bool(i["unique"])) for i in look.get_indexes(table)),
        )
        for table in look.get_table_names()
    }
