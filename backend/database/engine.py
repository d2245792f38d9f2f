"""Open the database and run functions on it off the event loop.

One thread writes, so writers never meet "database is locked"; a few threads read beside it (WAL lets them). A write has
reached the disk when it returns: WAL with ``synchronous=FULL`` fsyncs at every commit, so an acknowledged job survives
a power cut.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError as DriverError
from sqlalchemy.pool import QueuePool

from backend.database.errors import DatabaseError
from backend.database.schema import migrate

T = TypeVar("T")

_READERS = 4
_BUSY_TIMEOUT_S = 10  # another process (a backup, the sqlite3 shell) may hold the file for a moment


class Database:
    """Run short functions on the database.

    A function gets a SQLAlchemy connection and must not keep it. ``write`` wraps it in one transaction that is committed
    and durable when the call returns, or rolled back when the function raises.

    Cancelled: a write that has begun still finishes in its thread.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="db-write")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="db-read")

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open (or make) the file at *path* and bring its schema up to date; blocking.

        Raises:
            DatabaseError: The file is damaged or cannot be written.
            DatabaseTooNew: A newer Hearth has migrated it.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(
                f"sqlite+pysqlite:///{path}",
                poolclass=QueuePool,
                pool_size=_READERS + 1,
                max_overflow=0,
                connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_S},
            )
            event.listen(engine, "connect", _configure)
            migrate(engine, path)
        except (OSError, DriverError) as error:
            raise DatabaseError(f"The database {path} cannot be opened: {_reason(error)}.") from error
        return cls(engine)

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Run *function* on a connection in a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_sync, function)

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run *function* in one transaction in the writer thread; durable when it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._transact, function)

    def read_sync(self, function: Callable[[Connection], T]) -> T:
        """Run *function* in this thread; blocking."""
        with self._engine.connect() as connection:
            return function(connection)

    def write_sync(self, function: Callable[[Connection], T]) -> T:
        """Run *function* in one transaction in the writer thread and wait; blocking, for start-up and scripts."""
        return self._writer.submit(self._transact, function).result()

    def close(self) -> None:
        """Finish running functions and close the file; the write-ahead log is folded in; blocking."""
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()

    def _transact(self, function: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return function(connection)


def _configure(connection: sqlite3.Connection, _record: Any) -> None:  # Any: SQLAlchemy's pool record, unused
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-2000"):
        connection.execute(f"PRAGMA {pragma}")


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).rstrip(".")
