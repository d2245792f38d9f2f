"""Carry out the disk plan: park jobs that do not fit, with the numbers, and let them go on when they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from backend.downloads.book import Book
from backend.downloads.errors import NotEnoughSpace
from backend.downloads.job import DownloadState, Job, JobFile, Problem
from backend.downloads.plan import Shortage, Wish, judge, measure
from backend.kit.clock import monotonic_s
from backend.kit.units import format_bytes

SPACE_CHECK_S = 30.0


class Parking:
    """Hold back what the disk cannot take.

    A file that met a full disk on its way stays parked for 30 s whatever the plan says: quotas are invisible to it.
    """

    def __init__(self, book: Book, reserve_bytes: int) -> None:
        self._book = book
        self._not_before_s: dict[Path, float] = {}
        self.reserve_bytes = reserve_bytes

    def met_a_full_disk(self, destination: Path) -> None:
        """Keep a file from being tried again at once."""
        self._not_before_s[destination] = monotonic_s() + SPACE_CHECK_S

    def space_was_freed(self) -> None:
        """Let every parked file be judged by the plan alone."""
        self._not_before_s.clear()

    async def settle(self) -> bool:
        """Judge everything that waits; return whether anything is parked afterwards."""
        jobs = self._book.queue.jobs
        waiting = [_wish(job, _waits, under_way=False) for job in jobs]
        if any(wish.files for wish in waiting):
            wishes = [*(_wish(job, _is_running, under_way=True) for job in jobs), *waiting]
            volumes = await asyncio.to_thread(measure, wishes)
            refused = judge(wishes, volumes, self.reserve_bytes)
            for wish in waiting:
                if wish.files:
                    await self._book.change(wish.job_id, self._verdict(refused.get(wish.job_id)), must=True)
        return any(file.waits_for_space for job in self._book.queue.jobs for file in job.files)

    def _verdict(self, shortage: Shortage | None) -> Callable[[Job], Job]:
        problem = None if shortage is None else Problem.of(_not_enough_space(shortage), waits_for_space=True)

        def edit(job: Job) -> Job:
            changed = {file.id: new for file in job.files if (new := self._judged(file, problem)) is not file}
            return job.with_files(changed) if changed else job

        return edit

    def _judged(self, file: JobFile, problem: Problem | None) -> JobFile:
        if problem is None:
            return file.moved(DownloadState.QUEUED) if file.waits_for_space and self._may_go_on(file) else file
        if _waits(file) and file.problem != problem:
            return file.moved(DownloadState.BLOCKED, problem=problem)
        return file

    def _may_go_on(self, file: JobFile) -> bool:
        return file.destination is None or self._not_before_s.get(file.destination, 0.0) <= monotonic_s()


def _wish(job: Job, chosen: Callable[[JobFile], bool], *, under_way: bool) -> Wish:
    files = ((file.destination, file.expected_bytes) for file in job.files if chosen(file))
    return Wish(job.id, tuple((path, size) for path, size in files if path is not None), under_way)


def _waits(file: JobFile) -> bool:
    return file.state is DownloadState.QUEUED or file.waits_for_space


def _is_running(file: JobFile) -> bool:
    return file.running


def _not_enough_space(shortage: Shortage) -> NotEnoughSpace:
    free = max(0, shortage.free_bytes - shortage.reserve_bytes - shortage.queued_bytes)
    return NotEnoughSpace(
        f"{format_bytes(shortage.need_bytes)} are needed, but only {format_bytes(free)} can be used.",
        hint=f"Free {format_bytes(shortage.short_bytes)}; the download then continues by itself.",
        details={
            "need_bytes": shortage.need_bytes,
            "free_bytes": shortage.free_bytes,
            "reserve_bytes": shortage.reserve_bytes,
            "queued_bytes": shortage.queued_bytes,
            "short_bytes": shortage.short_bytes,
        },
    )
