"""Let jobs into the book: new ones, those of an earlier run, and none twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace

from backend.downloads import steering
from backend.downloads.address import same_address
from backend.downloads.book import Book
from backend.downloads.intake import Intake, check_conflicts
from backend.downloads.job import DownloadState, Job, JobFile, JobKind, Problem
from backend.downloads.ports import PresetFiles
from backend.errors import HearthError

HISTORY_LIMIT = 500  # ended jobs that are kept; the oldest are forgotten when new jobs come


class Admission:
    """Stand at the door of the queue; one request at a time is compared with what is there.

    ``paused`` makes newcomers begin paused.

    Args:
        removed: Told which jobs were forgotten because the history is full.
    """

    def __init__(self, *, book: Book, intake: Intake, removed: Callable[[Collection[str]], None]) -> None:
        self._book = book
        self._intake = intake
        self._removed = removed
        self._door = asyncio.Lock()
        self.paused = False

    async def revive(self) -> None:
        """Take in what an earlier run has stored: whatever was under way is queued again."""
        jobs, self.paused = await self._book.load()
        revived = await asyncio.to_thread(lambda: [self._revived(job) for job in jobs])
        await self._book.take(revived, silently=True)

    def active(self, preset_id: str) -> Job | None:
        """Return the unfinished job of a preset."""
        return next((job for job in self._book.queue.jobs if job.preset_id == preset_id), None)

    async def preset(self, preset: PresetFiles, priority: int) -> Job:
        """Admit a preset; its unfinished job stands for a second one."""
        async with self._door:
            known = self.active(preset.id)
            return known or await self._admit(await self._intake.preset(preset, priority))

    async def address(self, url: str, directory: str, name: str | None, sha256: str | None, priority: int) -> Job:
        """Admit one file from an address; an unfinished job with the same request stands for a second one."""
        job = await self._intake.address(url, directory, name, sha256, priority)
        async with self._door:
            known = self._same_request(job)
            if known is None:
                return await self._admit(job)
            if not known.files[0].url_was_cut:
                return known
            return await self._book.change(known.id, lambda old: _with_address(old, job.files[0].url))

    async def again(self, job_id: str) -> Job:
        """Queue again what is not there of a job that failed, was cancelled or is blocked."""
        job = self._book.job(job_id)
        placed = await asyncio.to_thread(lambda: {file.id: self._intake.placed(file) for file in job.files})
        async with self._door:
            check_conflicts(steering.retried(self._book.job(job_id), placed), self._book.queue.jobs)
            return await self._book.change(job_id, lambda old: steering.retried(old, placed))

    async def _admit(self, job: Job) -> Job:
        check_conflicts(job, self._book.queue.jobs)
        if job.ended and (past := self._same_past(job)) is not None:
            return past
        rank = 1 + max((other.rank for other in self._book.jobs.values()), default=0)
        admitted = job.placed(job.priority, rank)
        if self.paused and not admitted.ended:
            admitted = steering.paused(admitted, _unchanged)
        await self._forget_the_oldest()
        await self._book.take([admitted])
        return admitted

    def _same_request(self, job: Job) -> Job | None:
        file = job.files[0]
        for other in self._book.queue.jobs:
            theirs = other.files[0]
            is_same_place = other.kind is JobKind.URL and theirs.destination == file.destination
            if is_same_place and same_address(theirs.url, file.url) and file.sha256 in (None, theirs.sha256):
                return other
        return None

    def _same_past(self, job: Job) -> Job | None:
        """Find the completed job for files that are all there, so that asking for them leaves no trail of jobs."""
        wanted = {(file.directory, file.name) for file in job.files}
        for other in self._book.in_order():
            is_same = other.kind is job.kind and other.preset_id == job.preset_id
            if (
                is_same
                and other.state is DownloadState.COMPLETED
                and wanted == {(file.directory, file.name) for file in other.files}
            ):
                return other
        return None

    async def _forget_the_oldest(self) -> None:
        ended = [job.id for job in self._book.jobs.values() if job.ended]
        surplus = ended[: max(0, len(ended) - HISTORY_LIMIT)]
        if surplus:
            await self._book.remove(surplus)
            self._removed(surplus)

    def _revived(self, job: Job) -> Job:
        """Return a stored job as it goes on now; blocking."""
        return job.with_files({file.id: self._revived_file(file) for file in job.files})

    def _revived_file(self, file: JobFile) -> JobFile:
        queued = file.moved(DownloadState.QUEUED) if file.running else file
        try:
            return self._intake.placed(queued)
        except HearthError as error:  # its category is gone, or its name is not allowed any more
            if queued.ended:
                return queued
            return queued.moved(DownloadState.QUEUED).moved(DownloadState.FAILED, problem=Problem.of(error))


def _with_address(job: Job, url: str) -> Job:
    """Give a job the address back that could not be stored, and let it continue."""
    whole = job.with_files({file.id: replace(file, url=url, url_was_cut=False) for file in job.files})
    return steering.resumed(whole)


def _unchanged(_file: JobFile) -> dict[str, int]:
    return {}
