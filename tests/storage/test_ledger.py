"""The ledger believes a record exactly as long as the file is the one that was read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from backend.database import Database, metadata
from backend.kit.files import FileIdentity, VerifiedFile
from backend.storage import Ledger

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def database(tmp_path: Path):
    database = Database.open(tmp_path / "hearth.db")
    database.write_sync(lambda connection: metadata.tables["model_files"].create(connection, checkfirst=True))
    yield database
    database.close()


def make(path: Path, content: bytes = b"weights") -> VerifiedFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    seen = FileIdentity.of(path)
    digest = hashlib.sha256(content).hexdigest()
    return VerifiedFile(
        path, seen.size_bytes, seen.mtime_ns, seen.inode, digest, verified=True, source_url="https://a/b"
    )


async def test_a_record_is_found_again_after_a_restart(database: Database, tmp_path: Path):
    """What was recorded is known to the next process, with every field."""
    file = make(tmp_path / "model.safetensors")
    await Ledger.open(database).record(file)
    again = Ledger.open(database)
    assert await again.lookup(file.path) == file
    assert again.all() == (file,)


async def test_a_changed_file_is_unknown(database: Database, tmp_path: Path):
    """Other size, time or inode: the record no longer counts."""
    ledger = Ledger.open(database)
    path = tmp_path / "model.safetensors"
    await ledger.record(make(path))
    stat = path.stat()

    path.write_bytes(b"weight!")
    assert await ledger.lookup(path) is None, "same size, other time"
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert await ledger.lookup(path) is not None

    other = tmp_path / "other"
    other.write_bytes(b"weights")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    assert await ledger.lookup(path) is None, "same size and time, other inode"


async def test_a_missing_file_is_unknown_and_comes_back(database: Database, tmp_path: Path):
    """A file that was moved away and back is the same file."""
    ledger = Ledger.open(database)
    path = tmp_path / "model.safetensors"
    file = make(path)
    await ledger.record(file)
    path.rename(tmp_path / "trash")
    assert await ledger.lookup(path) is None
    (tmp_path / "trash").rename(path)
    assert await ledger.lookup(path) == file


async def test_forgetting_and_replacing(database: Database, tmp_path: Path):
    """One record per path; forgotten ones stay forgotten; every change is visible in the version."""
    ledger = Ledger.open(database)
    path = tmp_path / "model.safetensors"
    versions = [ledger.version]
    await ledger.record(make(path))
    versions.append(ledger.version)
    newer = make(path, b"better weights")
    await ledger.record(newer)
    versions.append(ledger.version)
    assert ledger.all() == (newer,)
    await ledger.forget(path)
    versions.append(ledger.version)
    assert await ledger.lookup(path) is None
    assert Ledger.open(database).all() == ()
    assert versions == sorted(set(versions))


async def test_a_link_to_the_folder_is_the_same_file(database: Database, tmp_path: Path):
    """Users link model folders to other volumes; the record holds under both names."""
    ledger = Ledger.open(database)
    file = make(tmp_path / "volume" / "model.safetensors")
    (tmp_path / "models").symlink_to(tmp_path / "volume")
    await ledger.record(file)
    assert await ledger.lookup(tmp_path / "models" / "model.safetensors") == file


async def test_huge_inode_numbers_survive(database: Database, tmp_path: Path):
    """Network file systems use all 64 bits of an inode number."""
    ledger = Ledger.open(database)
    path = tmp_path / "model.safetensors"
    seen = make(path)
    huge = VerifiedFile(path, seen.size_bytes, seen.mtime_ns, 2**64 - 1, seen.sha256, verified=False)
    await ledger.record(huge)
    assert Ledger.open(database).all() == (huge,)
