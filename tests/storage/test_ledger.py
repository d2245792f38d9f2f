"""The ledger believes a record exactly as long as the file is the one that was read."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from backend.database import Database
from backend.kit.files import FileIdentity, VerifiedFile
from backend.storage import Ledger

pytestmark = pytest.mark.anyio


def make(path: Path, content: bytes = b"weights") -> VerifiedFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    seen = FileIdentity.of(path)
    digest = hashlib.sha256(content).hexdigest()
    return VerifiedFile(
        path, seen.size_bytes, seen.mtime_ns, seen.inode, digest, verified=True, source_url="https://a/b"
    )


async def opened(database: Database) -> Ledger:
    """Open a ledger as a start does, off the loop."""
    return await asyncio.to_thread(Ledger.open, database)


async def test_a_record_is_found_again_after_a_restart(database: Database, tmp_path: Path):
    """What was recorded is known to the next process, with every field."""
    file = await asyncio.to_thread(make, tmp_path / "model.safetensors")
    await (await opened(database)).record(file)
    again = await opened(database)
    assert await again.lookup(file.path) == file
    assert again.all() == (file,)


async def test_a_changed_file_is_unknown(database: Database, tmp_path: Path):
    """Other size, time or inode: the record no longer counts."""
    ledger = await opened(database)
    path = tmp_path / "model.safetensors"
    await ledger.record(await asyncio.to_thread(make, path))
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
    ledger = await opened(database)
    path = tmp_path / "model.safetensors"
    file = await asyncio.to_thread(make, path)
    await ledger.record(file)
    path.rename(tmp_path / "trash")
    assert await ledger.lookup(path) is None
    (tmp_path / "trash").rename(path)
    assert await ledger.lookup(path) == file


async def test_forgetting_and_replacing(database: Database, tmp_path: Path):
    """One record per path; forgotten ones stay forgotten; every change is visible in the version."""
    ledger = await opened(database)
    path = tmp_path / "model.safetensors"
    versions = [ledger.version]
    await ledger.record(await asyncio.to_thread(make, path))
    versions.append(ledger.version)
    newer = await asyncio.to_thread(make, path, b"better weights")
    await ledger.record(newer)
    versions.append(ledger.version)
    assert ledger.all() == (newer,)
    await ledger.forget(path)
    versions.append(ledger.version)
    assert await ledger.lookup(path) is None
    assert (await opened(database)).all() == ()
    assert versions == sorted(set(versions))


async def test_a_link_to_the_folder_is_the_same_file(database: Database, tmp_path: Path):
    """Users link model folders to other volumes; the record holds under both names."""
    ledger = await opened(database)
    file = await asyncio.to_thread(make, tmp_path / "volume" / "model.safetensors")
    (tmp_path / "models").symlink_to(tmp_path / "volume")
    await ledger.record(file)
    assert await ledger.lookup(tmp_path / "models" / "model.safetensors") == file


async def test_huge_inode_numbers_survive(database: Database, tmp_path: Path):
    """Network file systems use all 64 bits of an inode number."""
    ledger = await opened(database)
    path = tmp_path / "model.safetensors"
    seen = await asyncio.to_thread(make, path)
    huge = VerifiedFile(path, seen.size_bytes, seen.mtime_ns, 2**64 - 1, seen.sha256, verified=False)
    await ledger.record(huge)
    assert (await opened(database)).all() == (huge,)
