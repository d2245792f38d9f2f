"""The table of files that were read whole, and the few statements on it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import BigInteger, Boolean, Column, Connection, String, Table, delete, select
from sqlalchemy.dialects.sqlite import insert

from backend.database import metadata
from backend.kit.clock import utc_now
from backend.kit.files import VerifiedFile

model_files = Table(
    "model_files",
    metadata,
    Column("path", String, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    # Text: inode numbers of network file systems fill 64 bits without a sign, more than SQLite's integer holds.
    Column("inode", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("source_url", String),
    Column("recorded_at", String, nullable=False),
)


def save(connection: Connection, file: VerifiedFile) -> None:
    """Keep what is known of a file, in place of what was known before."""
    values = {
        "path": str(file.path),
        "size_bytes": file.size_bytes,
        "mtime_ns": file.mtime_ns,
        "inode": str(file.inode),
        "sha256": file.sha256,
        "verified": file.verified,
        "source_url": file.source_url,
        "recorded_at": utc_now().isoformat(),
    }
    statement = insert(model_files).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=[model_files.c.path], set_=values))


def remove(connection: Connection, path: Path) -> None:
    """Drop what is known of a file."""
    connection.execute(delete(model_files).where(model_files.c.path == str(path)))


def load(connection: Connection) -> list[VerifiedFile]:
    """Return everything that is known."""
    return [
        VerifiedFile(
            path=Path(row.path),
            size_bytes=row.size_bytes,
            mtime_ns=row.mtime_ns,
            inode=int(row.inode),
            sha256=row.sha256,
            verified=row.verified,
            source_url=row.source_url,
        )
        for row in connection.execute(select(model_files).order_by(model_files.c.path))
    ]
