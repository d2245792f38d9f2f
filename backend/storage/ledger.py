"""The ledger: which files were read whole, with which result, and whether that still holds.

A record counts only as long as size, modification time and inode are those of the reading; a file that was changed or
replaced is unknown again. All records live in memory beside the table, so a look-up costs one stat.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from backend.database import Database
from backend.kit.files import FileIdentity, VerifiedFile
from backend.storage import store


class Ledger:
    """Record and look up verified files; open it with :meth:`open` or ``await load()``.

    ``version`` grows with every change, so that others can tell whether what they derived from the ledger is stale.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._records: Mapping[str, VerifiedFile] = {}
        self.version = 0

    @classmethod
    def open(cls, database: Database) -> Ledger:
        """Read all records; blocking, for start-up and scripts."""
        ledger = cls(database)
        ledger._take(database.read_sync(store.load))
        return ledger

    async def load(self) -> None:
        """Read all records."""
        self._take(await self._database.read(store.load))

    async def record(self, file: VerifiedFile) -> None:
        """Keep *file*; durable when it returns.

        Cancelled: the record may or may not have been kept.
        """
        kept = _with_path(file, await asyncio.to_thread(key_of, file.path))
        await self._database.write(lambda connection: store.save(connection, kept))
        self._replace(str(kept.path), kept)

    async def lookup(self, path: Path) -> VerifiedFile | None:
        """Return the record of *path* if the file is still the one that was read."""
        return await asyncio.to_thread(self.lookup_sync, path)

    async def forget(self, path: Path) -> None:
        """Drop the record of *path*, if there is one."""
        key = await asyncio.to_thread(key_of, path)
        await self._database.write(lambda connection: store.remove(connection, Path(key)))
        self._replace(key, None)

    def all(self) -> tuple[VerifiedFile, ...]:
        """Return every record, also of files that are gone or changed since."""
        return tuple(self._records.values())

    def lookup_sync(self, path: Path) -> VerifiedFile | None:
        """Look up *path* in this thread; blocking (one stat)."""
        try:
            return self.match(path, FileIdentity.of(path))
        except OSError:
            return None

    def match(self, path: Path, identity: FileIdentity) -> VerifiedFile | None:
        """Return the record of *path* if it was made of a file with *identity*; blocking (resolves links)."""
        record = self._records.get(str(path)) or self._records.get(key_of(path))
        return record if record is not None and record.identity == identity else None

    def _take(self, records: list[VerifiedFile]) -> None:
        self._records = {str(record.path): record for record in records}
        self.version += 1

    def _replace(self, key: str, record: VerifiedFile | None) -> None:
        # A new dictionary each time: other threads may be walking over the old one.
        records = {path: old for path, old in self._records.items() if path != key}
        if record is not None:
            records[key] = record
        self._records = records
        self.version += 1


def key_of(path: Path) -> str:
    """Name a file by its real path, so that a linked folder and its target are one; blocking."""
    return os.path.realpath(path)


def _with_path(file: VerifiedFile, path: str) -> VerifiedFile:
    return VerifiedFile(
        Path(path), file.size_bytes, file.mtime_ns, file.inode, file.sha256, file.verified, file.source_url
    )
