"""Check a preset's files against their checksums: read them whole in a thread, report, remember.

One check runs at a time, because two would only make one disk seek. The result goes to the ledger, so a file that passed
counts as verified until it changes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from backend.errors import HearthError
from backend.kit.clock import utc_now
from backend.kit.files import FileIdentity, VerifiedFile
from backend.kit.ids import new_id
from backend.logs import get_logger
from backend.presets.preset import Preset, PresetFile

_BLOCK_BYTES = 4 << 20
_REPORT_EVERY_S = 0.25
_log = get_logger(__name__)

Place = tuple[str, str]


class VerificationState(StrEnum):
    """Where a check stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Outcome(StrEnum):
    """What came out for one file; *recorded* means that nobody promised a checksum to compare with."""

    PENDING = "pending"
    MATCHES = "matches"
    DIFFERS = "differs"
    RECORDED = "recorded"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(slots=True)
class Verification:
    """One check of one preset, as far as it has come."""

    preset_id: str
    bytes_total: int
    outcomes: dict[Place, Outcome]
    id: str = field(default_factory=new_id)
    state: VerificationState = VerificationState.QUEUED
    bytes_done: int = 0
    started_at: datetime = field(default_factory=utc_now)
    finished_at: datetime | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def active(self) -> bool:
        """Whether it has not come to an end."""
        return self.state in (VerificationState.QUEUED, VerificationState.RUNNING)

    @property
    def progress_ratio(self) -> float | None:
        """How much was read, from 0 to 1; None when there is nothing to read."""
        return min(1.0, self.bytes_done / self.bytes_total) if self.bytes_total else None


class _Stopped(Exception):
    """The reading thread was asked to stop."""


class Verifier:
    """Run checks.

    Args:
        find: Where a file lies now; blocking.
        record: Keeps the result.
        promised: Asks the file's host for a checksum when the preset names none; None when it promises none.
        changed: Told after every step worth showing, on the loop.
    """

    def __init__(
        self,
        *,
        find: Callable[[str, str], Path | None],
        record: Callable[[VerifiedFile], Awaitable[None]],
        promised: Callable[[PresetFile], Awaitable[str | None]],
        changed: Callable[[Verification], Awaitable[None]],
    ) -> None:
        self._find = find
        self._record = record
        self._promised = promised
        self._changed = changed
        self._turn = asyncio.Lock()
        self._last: dict[str, Verification] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def last(self, preset_id: str) -> Verification | None:
        """Return the latest check of a preset since the start."""
        return self._last.get(preset_id)

    def start(self, preset: Preset, sizes: Mapping[Place, int]) -> Verification:
        """Begin a check, or return the one that is under way."""
        running = self._last.get(preset.id)
        if running is not None and running.active:
            return running
        outcomes = {file.place: Outcome.PENDING for file in preset.files}
        check = Verification(preset.id, sum(sizes.values()), outcomes)
        self._last[preset.id] = check
        task = asyncio.create_task(self._run(preset, check), name=f"verify-{preset.id}")
        self._tasks[preset.id] = task
        task.add_done_callback(lambda done: self._forget(preset.id, done))
        return check

    async def wait(self, preset_id: str) -> None:
        """Wait until no check of this preset runs; cancelling it leaves the check alone."""
        task = self._tasks.get(preset_id)
        if task is not None:
            await asyncio.wait([task])

    async def cancel(self, preset_id: str) -> bool:
        """Stop a running check and wait until its file is closed; tell whether there was one."""
        task = self._tasks.get(preset_id)
        if task is None:
            return False
        check = self._last[preset_id]
        if not check.stop.is_set():  # a second cancellation would interrupt the wait for the reading thread
            check.stop.set()
            task.cancel()
        await asyncio.wait([task])
        return True

    async def close(self) -> None:
        """Stop every check."""
        for preset_id in list(self._tasks):
            await self.cancel(preset_id)

    def _forget(self, preset_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(preset_id) is task:
            del self._tasks[preset_id]
        check = self._last[preset_id]
        if task.cancelled() and check.active:  # cancelled before its first step
            check.state, check.finished_at = VerificationState.CANCELLED, utc_now()

    async def _run(self, preset: Preset, check: Verification) -> None:
        try:
            async with self._turn:
                check.state = VerificationState.RUNNING
                for file in preset.files:
                    check.outcomes[file.place] = await self._verify(file, check)
                    await self._changed(check)
            check.state = VerificationState.COMPLETED
        except (asyncio.CancelledError, _Stopped):
            check.state = VerificationState.CANCELLED
        except Exception:  # noqa: BLE001 -- a defect ends the check, it must not leave it running for ever
            check.state = VerificationState.FAILED
            _log.exception("verification_failed", preset_id=preset.id)
        finally:
            check.stop.set()
            check.finished_at = utc_now()
        await self._changed(check)

    async def _verify(self, file: PresetFile, check: Verification) -> Outcome:
        try:
            path = await asyncio.to_thread(self._find, file.directory, file.name)
        except HearthError:
            return Outcome.MISSING  # a category that this workspace does not have
        if path is None:
            return Outcome.MISSING
        expected = file.sha256 or await self._promised(file)
        try:
            identity, sha256 = await self._hash(path, check)
        except OSError as error:
            _log.warning("verification_unreadable", path=str(path), error=error.strerror)
            return Outcome.UNREADABLE
        matches = expected is not None and sha256 == expected
        await self._record(
            VerifiedFile(
                path,
                identity.size_bytes,
                identity.mtime_ns,
                identity.inode,
                sha256,
                matches,
                file.url if matches else None,
            )
        )
        if expected is None:
            return Outcome.RECORDED
        return Outcome.MATCHES if matches else Outcome.DIFFERS

    async def _hash(self, path: Path, check: Verification) -> tuple[FileIdentity, str]:
        reading = asyncio.ensure_future(asyncio.to_thread(_hash_file, path, check))
        try:
            while not reading.done():
                await asyncio.wait([reading], timeout=_REPORT_EVERY_S)
                await self._changed(check)
            return reading.result()
        finally:
            if not reading.done():  # cancelled: no thread may outlive its check
                check.stop.set()
                await asyncio.wait([reading])
                reading.exception()  # it says that it was stopped, which is known


def _hash_file(path: Path, check: Verification) -> tuple[FileIdentity, str]:
    """Read a file once without pushing everything else out of the page cache; blocking.

    Raises:
        OSError: It cannot be read, or it changed while it was read.
    """
    digest = hashlib.sha256()
    block = bytearray(_BLOCK_BYTES)
    view = memoryview(block)
    with path.open("rb", buffering=0) as file:
        before = FileIdentity.from_stat(os.fstat(file.fileno()))
        offset = 0
        while count := file.readinto(block):
            if check.stop.is_set():
                raise _Stopped
            digest.update(view[:count])
            os.posix_fadvise(file.fileno(), offset, count, os.POSIX_FADV_DONTNEED)
            offset += count
            check.bytes_done += count
        after = FileIdentity.from_stat(os.fstat(file.fileno()))
    if before != after:
        raise OSError(0, "the file changed while it was read")
    return after, digest.hexdigest()
