"""The queue before the bucket.

What waits is a row that was written in the transaction that ended its job, so a kill at any instant loses nothing; an object
has the same key whenever it is sent, so sending it twice changes nothing. Trouble with the bucket concerns everything that
waits: then one result at a time tries, ever more rarely, and the first that succeeds lets all others go.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import Field

from backend.database import Database
from backend.errors import HearthError
from backend.generation.job import Problem
from backend.generation.results import sidecar
from backend.generation.results.errors import ResultGone
from backend.generation.results.item import Item, stamp
from backend.generation.results.remote import RemoteState
from backend.generation.results.upload import store
from backend.generation.results.upload.store import Upload
from backend.generation.store import Write
from backend.kit.backoff import delay_s
from backend.kit.clock import monotonic_s, utc_now
from backend.logs import get_logger
from backend.sources import BucketError

log = get_logger(__name__)

_AT_ONCE = 2
_MOST_ATTEMPTS = 10  # at one result that alone makes trouble; trouble with the bucket has no end to its attempts
_SIDECAR_TYPE = "application/json"


class Remote(Protocol):
    """Where copies go (``backend.sources.Bucket``)."""

    def url_of(self, name: str) -> str:
        """Return the address that *name* has there."""
        ...

    async def put(self, name: str, file: Path, content_type: str) -> None:
        """Store *file* as *name*, in place of what has that name.

        Raises:
            OSError: The file cannot be read.
            BucketError: It is not taken.
        """
        ...


@dataclass(frozen=True, slots=True)
class UploadPace:
    """Seconds: the first delay after a failure, the longest one, and how often to look for what is back from the trash."""

    base_s: float = 2.0
    cap_s: float = 900.0
    look_s: float = 60.0


@dataclass(frozen=True, slots=True)
class UploadReport:
    """How many results wait, are uploaded, and were given up; ``error`` keeps everything from being uploaded."""

    url: Annotated[str, Field(description="Where copies go", examples=["s3://pictures/hearth/"])]
    waiting: int
    uploaded: int
    failed: int
    error: Annotated[dict[str, Any] | None, Field(description="code, message, hint and, where useful, details")]
    retry_in_s: Annotated[float | None, Field(description="Seconds until the bucket is tried again")]


class Uploader:
    """Copy results below *outputs* to *remote*."""

    def __init__(self, outputs: Path, database: Database, remote: Remote, pace: UploadPace | None = None) -> None:
        self._outputs = outputs
        self._database = database
        self._remote = remote
        self._pace = pace or UploadPace()
        self._news = asyncio.Event()
        self._going: dict[str, asyncio.Task[None]] = {}
        self._troubles = 0  # in a row, that concern everything
        self._trouble: Problem | None = None
        self._paused_until_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Upload from now on, first what an earlier life left; that is tried at once, for settings may have changed."""
        self._task = asyncio.create_task(self._run(), name="result uploads")

    async def close(self) -> None:
        """Stop; what is half-way is sent anew by the next start."""
        tasks = [*self._going.values(), *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def begin(self, job_id: str) -> Write:
        """Return what the transaction that ends a job must do for its results to be uploaded."""

        def write(connection: store.Connection) -> None:
            problem = None if self._trouble is None else self._trouble.as_dict()
            store.enqueue(connection, job_id, self._remote.url_of, stamp(utc_now()), problem)

        return write

    def wake(self) -> None:
        """Look for what waits."""
        self._news.set()

    async def report(self) -> UploadReport:
        """Say how things stand."""
        found = await self._database.read(store.count)
        return UploadReport(
            url=self._remote.url_of(""),
            waiting=found[RemoteState.WAITING],
            uploaded=found[RemoteState.UPLOADED],
            failed=found[RemoteState.FAILED],
            error=None if self._trouble is None else self._trouble.as_dict(),
            retry_in_s=round(max(0.0, self._paused_until_s - monotonic_s()), 1) if self._trouble is not None else None,
        )

    async def _run(self) -> None:
        is_renewed = False
        while True:
            self._news.clear()
            wait_s = self._pace.look_s
            try:
                if not is_renewed:
                    await self._database.write(lambda connection: store.renew(connection, stamp(utc_now())))
                    is_renewed = True
                wait_s = await self._send_due()
            except store.StoreFailed as error:
                log.warning("uploads_not_read", reason=store.reason(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._news.wait()

    async def _send_due(self) -> float:
        """Begin with what is due as far as there is room; return the seconds after which to look again."""
        pause_s = self._paused_until_s - monotonic_s()
        room = (1 if self._troubles else _AT_ONCE) - len(self._going)
        if pause_s > 0 or room <= 0:
            return pause_s if pause_s > 0 else self._pace.look_s
        going = [*self._going]
        found = await self._database.read(lambda connection: store.upcoming(connection, going, room))
        for upload in found:
            wait_s = (datetime.fromisoformat(upload.due_at) - utc_now()).total_seconds()
            if wait_s > 0:
                return min(wait_s, self._pace.look_s)
            self._going[upload.item.id] = asyncio.create_task(self._send(upload), name=f"upload {upload.item.id}")
        return self._pace.look_s

    async def _send(self, upload: Upload) -> None:
        item, began_s = upload.item, monotonic_s()
        try:
            problem = await self._problem_of(item)
            if problem is None:
                seconds = round(monotonic_s() - began_s, 3)
                log.info("result_uploaded", result=item.id, job=item.job_id, bytes=item.size_bytes, seconds=seconds)
                await self._succeeded(item)
            else:
                await self._failed(upload, problem)
        except store.StoreFailed as error:  # it is sent again, under the same key
            log.warning("upload_not_recorded", result=item.id, reason=store.reason(error))
            self._paused_until_s = monotonic_s() + self._pace.look_s
        finally:
            del self._going[item.id]
            self._news.set()

    async def _problem_of(self, item: Item) -> HearthError | None:
        """Send a result and then its sidecar: who finds the sidecar finds the result; return what was in the way."""
        file = self._outputs / item.path
        try:
            await self._remote.put(item.path, file, item.mime)
            with suppress(FileNotFoundError):  # taken away; the result is worth keeping without
                beside = sidecar.place_of(Path(item.path)).as_posix()
                await self._remote.put(beside, sidecar.place_of(file), _SIDECAR_TYPE)
        except BucketError as error:
            return error
        except OSError as error:
            return ResultGone(f"The file of {item.name} cannot be read: {error.strerror or type(error).__name__}.")
        except Exception:
            log.exception("upload_failed", result=item.id)
            return HearthError("Hearth met an error that it did not expect.")
        return None

    async def _succeeded(self, item: Item) -> None:
        was_in_trouble, self._troubles, self._trouble, self._paused_until_s = self._troubles > 0, 0, None, 0.0

        def write(connection: store.Connection) -> None:
            now = stamp(utc_now())
            store.record_uploaded(connection, item.id, self._remote.url_of(item.path), now)
            if was_in_trouble:
                store.recover(connection, now)

        await self._database.write(write)

    async def _failed(self, upload: Upload, error: HearthError) -> None:
        problem, attempts = Problem.of(error), upload.attempts + 1
        concerns_all = isinstance(error, BucketError) and error.concerns_all
        after_s = delay_s(attempts, base_s=self._pace.base_s, cap_s=self._pace.cap_s)
        if concerns_all:
            self._troubles, self._trouble = self._troubles + 1, problem
            pause_s = delay_s(self._troubles, base_s=self._pace.base_s, cap_s=self._pace.cap_s)
            self._paused_until_s = monotonic_s() + pause_s
        is_last = not concerns_all and attempts >= _MOST_ATTEMPTS
        due_at = None if is_last else stamp(utc_now() + timedelta(seconds=after_s))
        log.warning(
            "result_not_uploaded", result=upload.item.id, job=upload.item.job_id, code=problem.code,
            reason=problem.message, attempts=attempts, given_up=is_last,
        )  # fmt: skip

        def write(connection: store.Connection) -> None:
            if concerns_all:
                store.tell_all(connection, problem.as_dict())
            store.record_failure(
                connection, upload.item.id, attempts=attempts, due_at=due_at, problem=problem.as_dict()
            )

        await self._database.write(write)
