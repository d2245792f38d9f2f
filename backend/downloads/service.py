"""The download queue as the rest of Hearth sees it.

A job is stored before it is acknowledged. Every command stores the new state first and brings about its effect second, so
that whatever happens in between, the next start does what was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from backend.database import Database
from backend.downloads import steering
from backend.downloads.admission import Admission
from backend.downloads.announcer import Announcer
from backend.downloads.book import Book
from backend.downloads.dispatch import Dispatcher
from backend.downloads.errors import DownloadNotFound, IllegalDownloadState
from backend.downloads.intake import Intake
from backend.downloads.job import DownloadState, Job, JobFile
from backend.downloads.leftovers import Leftovers
from backend.downloads.parking import Parking
from backend.downloads.ports import Folders, PresetFiles, Records, Resolve
from backend.downloads.reading import Reading
from backend.downloads.transfer import TransferEngine
from backend.downloads.transfers import Transfers
from backend.downloads.view import DownloadJob, QueueTotals, Viewer
from backend.downloads.worker import Worker
from backend.events import Hub


class DownloadService(Reading):
    """Queue downloads, steer them, and tell how they stand.

    Args:
        files_of: Returns a preset by its id or raises; called on the loop.
        max_parallel: Files under way at the same time, over all jobs.
        reserve_bytes: Space that stays free on every volume.
        retries: How often a source that fails is asked again.
    """

    def __init__(
        self,
        *,
        database: Database,
        engine: TransferEngine,
        resolve: Resolve,
        paths: Folders,
        files_of: Callable[[str], PresetFiles],
        ledger: Records,
        hub: Hub,
        max_parallel: int,
        reserve_bytes: int,
        retries: int,
    ) -> None:
        self._files_of = files_of
        book = Book(database)
        self._transfers = Transfers()
        viewer = Viewer(book, self._transfers)
        self._announcer = Announcer(hub, book, viewer)
        book.on_change(self._announcer.changed)
        worker = Worker(engine=engine, resolve=resolve, paths=paths, ledger=ledger, retries=retries)
        intake = Intake(worker=worker, resolve=resolve)
        admission = Admission(book=book, intake=intake, removed=self._announcer.removed)
        super().__init__(book=book, viewer=viewer, admission=admission)
        self._parking = Parking(book, reserve_bytes)
        self._dispatcher = Dispatcher(
            book=book,
            worker=worker,
            transfers=self._transfers,
            parking=self._parking,
            max_parallel=max_parallel,
            progressed=self._announcer.progressed,
        )
        self._leftovers = Leftovers(book=book, dispatcher=self._dispatcher, folders=paths)
        self._wakings: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Read the queue and continue what was unfinished."""
        await self._admission.revive()
        self._announcer.paused = self._admission.paused
        self._dispatcher.kick()
        self._leftovers.start()

    async def close(self) -> None:
        """Stop the transfers; what has arrived is kept, and the next start continues."""
        await self._leftovers.close()
        if self._wakings:
            await asyncio.wait(self._wakings)
        await self._dispatcher.close()

    # Asking for files

    async def download_preset(self, preset_id: str, *, priority: int = 0) -> DownloadJob:
        """Queue what is missing of a preset; an unfinished job for it is returned instead of a second one.

        Raises:
            HearthError: There is no such preset, or a place of it is outside the fence.
            WantedOtherwise: Another job brings another content to one of its places.
            QueueNotStored: Nothing was queued.
        """
        return await self._acknowledged(await self._admission.preset(self._files_of(preset_id), priority))

    async def download_url(
        self, url: str, directory: str, name: str | None = None, sha256: str | None = None, *, priority: int = 0
    ) -> DownloadJob:
        """Queue one file from an address into a model folder; the same request twice is one job.

        Raises:
            HearthError: As ``Intake.address``.
            WantedOtherwise: Another job brings another content to this place.
            QueueNotStored: Nothing was queued.
        """
        return await self._acknowledged(await self._admission.address(url, directory, name, sha256, priority))

    # Steering one job

    async def cancel_download(self, job_id: str, *, keep_partial: bool = True) -> bool:
        """Cancel a job; False when it had ended otherwise. See :meth:`cancel`."""
        try:
            await self.cancel(job_id, keep_partial=keep_partial)
        except IllegalDownloadState:
            return False
        return True

    async def cancel(self, job_id: str, *, keep_partial: bool = True) -> DownloadJob:
        """Cancel a job and return when connections that only it needed are closed.

        Raises:
            DownloadNotFound: There is none.
            IllegalDownloadState: It has completed or failed, perhaps while the cancel was on its way.
            QueueNotStored: Nothing was changed.
        """
        job = await self._book.change(job_id, lambda old: steering.cancelled(old, self._numbers))
        gone = [file for file in job.files if file.state is DownloadState.CANCELLED]
        await self._dispatcher.leave(gone, discard=not keep_partial)
        job = self._book.job(job_id)
        if job.state is not DownloadState.CANCELLED:
            raise steering.too_late(job)
        return await self._acknowledged(job)

    async def pause(self, job_id: str) -> DownloadJob:
        """Pause a job and return when connections that only it needed are closed; what has arrived is kept.

        Raises:
            DownloadNotFound: There is none.
            IllegalDownloadState: It has ended.
            QueueNotStored: Nothing was changed.
        """
        job = await self._book.change(job_id, lambda old: steering.paused(old, self._numbers))
        await self._dispatcher.leave(job.files_in(DownloadState.PAUSED))
        return await self._acknowledged(job)

    async def resume(self, job_id: str) -> DownloadJob:
        """Queue what is paused or blocked of a job again.

        Raises:
            DownloadNotFound: There is none.
            IllegalDownloadState: It has ended.
            QueueNotStored: Nothing was changed.
        """
        self._parking.space_was_freed()
        return await self._acknowledged(await self._book.change(job_id, steering.resumed))

    async def retry_failed(self, job_id: str) -> bool:
        """Try a job again; False when it neither failed, nor was cancelled, nor is blocked. See :meth:`retry`."""
        try:
            await self.retry(job_id)
        except IllegalDownloadState:
            return False
        return True

    async def retry(self, job_id: str) -> DownloadJob:
        """Queue again what is not there of a job that failed, was cancelled or is blocked.

        Raises:
            DownloadNotFound: There is none.
            IllegalDownloadState: It did not fail, and is neither cancelled nor blocked.
            WantedOtherwise: By now another job brings another content to one of its places.
            QueueNotStored: Nothing was changed.
        """
        self._parking.space_was_freed()
        return await self._acknowledged(await self._admission.again(job_id))

    async def move(self, job_id: str, position: int) -> DownloadJob:
        """Put an unfinished job at *position* in the queue, counted from 0; at the front, it is served next.

        Raises:
            DownloadNotFound: There is none.
            IllegalDownloadState: It has ended.
            QueueNotStored: Nothing was changed.
        """
        job = self._book.job(job_id)
        await self._book.reorder(steering.moved(self._book.queue.jobs, job, position))
        self._dispatcher.fresh_turn(job_id)
        self._announcer.queue()
        return await self._acknowledged(self._book.job(job_id))

    async def remove(self, job_id: str, *, keep_partial: bool = True) -> None:
        """Take an ended job out of the history; files stay, what has arrived of a file only with *keep_partial*.

        Raises:
            DownloadNotFound: There is none.
            IllegalDownloadState: It has not ended.
        """
        job = self._book.job(job_id)
        steering.refuse_unended(job)
        await self._forget([job], keep_partial=keep_partial)

    # Steering the queue

    async def pause_all(self) -> QueueTotals:
        """Pause every unfinished job; until :meth:`resume_all`, newcomers begin paused."""
        await self._set_paused(paused=True)
        for job in self._book.queue.jobs:
            await self._unless_ended(job.id, lambda old: steering.paused(old, self._numbers))
        files = [file for job in self._book.queue.jobs for file in job.files_in(DownloadState.PAUSED)]
        await self._dispatcher.leave(files)
        return self.totals()

    async def resume_all(self) -> QueueTotals:
        """Queue every paused or blocked job again, also those that were paused one by one."""
        await self._set_paused(paused=False)
        self._parking.space_was_freed()
        for job in self._book.queue.jobs:
            await self._unless_ended(job.id, steering.resumed)
        self._dispatcher.kick()
        await self._dispatcher.settled()
        return self.totals()

    async def clear_history(self, *, keep_partial: bool = True) -> int:
        """Forget every ended job and return how many there were; files stay."""
        ended = [job for job in self._book.jobs.values() if job.ended]
        await self._forget(ended, keep_partial=keep_partial)
        return len(ended)

    def wake(self, host: str | None = None) -> None:
        """Let jobs go on that wait for a token or licence of *host*; without a host, those that wait for space."""
        if host is None:
            self._parking.space_was_freed()
            self._dispatcher.kick()
            return
        waking = asyncio.get_running_loop().create_task(self._wake(host))
        self._wakings.add(waking)
        waking.add_done_callback(self._wakings.discard)

    def set_max_parallel(self, files: int) -> None:
        """Allow so many files at the same time; those under way are not stopped."""
        self._dispatcher.max_parallel = files
        self._dispatcher.kick()

    def set_reserve(self, reserve_bytes: int) -> None:
        """Leave so much space free on every volume."""
        self._parking.reserve_bytes = reserve_bytes
        self._dispatcher.kick()

    async def tidy(self, now: datetime) -> list[Path]:
        """Delete what cancelled and forgotten jobs have left for longer than a week, as happens daily; return whose it was."""
        return await self._leftovers.tidy(now)

    # Shared by the commands

    async def _acknowledged(self, job: Job) -> DownloadJob:
        """Let the queue settle, so that the answer shows what became of the command."""
        self._dispatcher.kick()
        await self._dispatcher.settled()
        return self._viewer.job(self._book.jobs.get(job.id, job))

    async def _set_paused(self, *, paused: bool) -> None:
        await self._book.set_paused(paused=paused)
        self._admission.paused = self._announcer.paused = paused
        self._announcer.queue()

    async def _unless_ended(self, job_id: str, edit: Callable[[Job], Job]) -> None:
        with contextlib.suppress(IllegalDownloadState, DownloadNotFound):
            await self._book.change(job_id, edit)

    async def _wake(self, host: str) -> None:
        for job in self._book.queue.jobs:
            await self._book.change(job.id, lambda old: steering.woken(old, host), must=True)
        self._dispatcher.kick()

    async def _forget(self, jobs: Sequence[Job], *, keep_partial: bool) -> None:
        job_ids = [job.id for job in jobs]
        await self._book.remove(job_ids)
        self._announcer.removed(job_ids)
        if not keep_partial:
            files = [file for job in jobs for file in job.files if file.state is not DownloadState.COMPLETED]
            await self._dispatcher.leave(files, discard=True)
        self._dispatcher.kick()

    def _numbers(self, file: JobFile) -> dict[str, int]:
        transfer = self._transfers.of(file.id, file.destination)
        return {} if transfer is None else transfer.numbers()
