"""Decide what runs now, and see each file to its end.

Nothing here ticks while the queue rests: whoever changes something kicks, and one round joins newcomers to running
transfers, carries out the disk plan, and fills the free slots. While files run, their counters are read four times a
second; while something is parked, the disk is asked every 30 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from backend.downloads.book import Book
from backend.downloads.errors import AddressNotKept, NoSpace
from backend.downloads.job import DownloadState, Job, JobFile, JobKind, Problem
from backend.downloads.parking import SPACE_CHECK_S, Parking
from backend.downloads.schedule import Lane, choose
from backend.downloads.transfer import Meter, discard_partial
from backend.downloads.transfers import Transfer, Transfers
from backend.downloads.worker import Brought, Errand, Worker
from backend.errors import HearthError
from backend.logs import get_logger

TICK_S = 0.25

log = get_logger(__name__)


class Dispatcher:
    """Run files, at most ``max_parallel`` at a time over all jobs.

    Args:
        progressed: Told four times a second which jobs have files under way.
    """

    def __init__(
        self,
        *,
        book: Book,
        worker: Worker,
        transfers: Transfers,
        parking: Parking,
        max_parallel: int,
        progressed: Callable[[Collection[str]], None],
    ) -> None:
        self._book = book
        self._worker = worker
        self._transfers = transfers
        self._parking = parking
        self._progressed = progressed
        self._turns: dict[str, int] = {}
        self._kicked = False
        self._round: asyncio.Task[None] | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._space_check: asyncio.TimerHandle | None = None
        self._held: set[Path] = set()
        self._closing = False
        self.max_parallel = max_parallel

    def kick(self) -> None:
        """Look again at what can run; returns at once."""
        self._kicked = True
        if self._round is None and not self._closing:
            self._round = asyncio.create_task(self._rounds(), name="download-queue")

    async def settled(self) -> None:
        """Wait until everything that was kicked has been looked at."""
        while self._round is not None:
            await asyncio.wait([self._round])

    async def close(self) -> None:
        """Stop everything; the states stay as they are, so that the next start continues."""
        self._closing = True
        self._forget_space_check()
        await self.settled()
        transfers = self._transfers.all()
        for transfer in transfers:
            transfer.stop()
        await _all_ended(transfers)
        if self._ticker is not None:
            await asyncio.wait([self._ticker])

    def fresh_turn(self, job_id: str) -> None:
        """Let a job be served before others of its priority that have as many files under way."""
        self._turns.pop(job_id, None)

    async def leave(self, files: Iterable[JobFile], *, discard: bool = False) -> None:
        """Let files get off whatever they ride in; returns when connections that nobody needs any more are closed.

        Args:
            discard: Also delete what has arrived, unless another job still wants it.
        """
        stopping: list[Transfer] = []
        for file in files:
            transfer = self._transfers.at(file.destination)
            if transfer is not None:
                transfer.leave(file.id)
                if transfer.leaving:
                    transfer.discard |= discard
                    stopping.append(transfer)
            elif discard and file.destination is not None:
                await self.discard(file.destination)
        await _all_ended(stopping)

    # One round

    async def _rounds(self) -> None:
        try:
            while self._kicked and not self._closing:
                self._kicked = False
                await self._join()
                parked = await self._parking.settle()
                self._watch_space(parked)
                self._fill_slots()
        except Exception:
            log.exception("download_queue_stumbled")  # the queue must live on, and the next kick tries again
        finally:
            self._round = None

    async def _join(self) -> None:
        """Let queued files ride along where their destination is being worked on already."""
        for job in self._book.queue.jobs:
            for file in job.files:
                transfer = self._transfers.at(file.destination)
                if file.state is DownloadState.QUEUED and transfer is not None and not transfer.leaving:
                    transfer.claims[file.id] = job.id
                    await self._move(transfer, transfer.state)

    def _watch_space(self, parked: bool) -> None:
        if not parked:
            self._forget_space_check()
        elif self._space_check is None:
            self._space_check = asyncio.get_running_loop().call_later(SPACE_CHECK_S, self._look_at_space)

    def _look_at_space(self) -> None:
        self._space_check = None
        self.kick()

    def _forget_space_check(self) -> None:
        if self._space_check is not None:
            self._space_check.cancel()
            self._space_check = None

    def _fill_slots(self) -> None:
        while len(self._transfers) < self.max_parallel:
            next_files = {job.id: file for job in self._book.queue.jobs if (file := self._next_file(job)) is not None}
            job_id = choose(self._lane(self._book.job(job_id)) for job_id in next_files)
            if job_id is None:
                return
            self._turns[job_id] = max(self._turns.values(), default=0) + 1
            self._begin(next_files[job_id])

    def _next_file(self, job: Job) -> JobFile | None:
        return next(
            (
                file
                for file in job.files
                if file.state is DownloadState.QUEUED
                and file.destination is not None
                and file.destination not in self._transfers
                and file.destination not in self._held
            ),
            None,
        )

    def _lane(self, job: Job) -> Lane:
        under_way = sum(1 for file in job.files if self._transfers.of(file.id, file.destination))
        return Lane(job.id, job.priority, job.rank, under_way, self._turns.get(job.id, 0))

    # One file

    def _begin(self, first: JobFile) -> None:
        assert first.destination is not None
        riders = [
            (job, file)
            for job in self._book.queue.jobs
            for file in job.files
            if file.destination == first.destination and file.state is DownloadState.QUEUED
        ]
        # Until the part has been opened, the records know best what is in it.
        meter = Meter(bytes_done=max(file.bytes_done for _, file in riders))
        transfer = Transfer(first.destination, {file.id: job.id for job, file in riders}, meter)
        self._transfers.add(transfer)
        transfer.work = asyncio.create_task(self._work(transfer, _errand(riders)), name=f"download {first.name}")
        transfer.end = asyncio.create_task(self._see_to_its_end(transfer))
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick(), name="download-progress")

    async def _work(self, transfer: Transfer, errand: Errand) -> Brought:
        async def enter(state: DownloadState) -> None:
            await self._move(transfer, state)

        return await self._worker.bring(errand, transfer.meter, enter)

    async def _see_to_its_end(self, transfer: Transfer) -> None:
        assert transfer.work is not None
        await asyncio.wait([transfer.work])
        try:
            if transfer.work.cancelled():
                if transfer.discard:
                    await self.discard(transfer.destination)
            elif (error := transfer.work.exception()) is not None:
                await self._stumbled(transfer, error)
            else:
                await self._arrived(transfer, transfer.work.result())
        except Exception as error:  # noqa: BLE001 -- e.g. the ledger cannot be written; a retry finds the file
            await self._stumbled(transfer, error)
        finally:
            self._transfers.remove(transfer)
            self.kick()

    async def _arrived(self, transfer: Transfer, brought: Brought) -> None:
        """Complete the file for everybody who waits for it, also for those who cancelled a moment too late."""
        size_bytes = await self._worker.remember(brought)

        def concerned(file: JobFile) -> bool:
            too_late = file.state is DownloadState.CANCELLED and transfer.has_carried(file.id)
            return file.destination == transfer.destination and (too_late or not file.ended)

        for job in tuple(self._book.jobs.values()):
            if any(concerned(file) for file in job.files):
                await self._change_files(
                    job.id,
                    concerned,
                    DownloadState.COMPLETED,
                    bytes_done=size_bytes,
                    bytes_total=size_bytes,
                    found_sha256=brought.sha256,
                    verified=brought.verified,
                    path=brought.path,
                )

    async def _stumbled(self, transfer: Transfer, error: BaseException) -> None:
        if isinstance(error, NoSpace):
            self._parking.met_a_full_disk(transfer.destination)
            await self._move(transfer, DownloadState.BLOCKED, problem=Problem.of(error, waits_for_space=True))
        elif isinstance(error, HearthError):
            waits_for = getattr(error, "waits_for", None)
            waits = waits_for is not None or isinstance(error, AddressNotKept)
            state = DownloadState.BLOCKED if waits else DownloadState.FAILED
            await self._move(transfer, state, problem=Problem.of(error, waits_for=waits_for))
        else:
            problem = Problem.of(HearthError("The download met an error that Hearth did not expect."))
            await self._move(transfer, DownloadState.FAILED, problem=problem)
            log.error("download_met_the_unexpected", exc_info=error)

    async def _move(self, transfer: Transfer, state: DownloadState, *, problem: Problem | None = None) -> None:
        """Store a state for all who ride along, then return so that what it announces may begin."""
        transfer.state = state

        def concerned(file: JobFile) -> bool:
            working = file.running or file.state is DownloadState.QUEUED
            return file.id in transfer.claims and working and file.state is not state

        for job_id in dict.fromkeys(transfer.claims.values()):
            await self._change_files(job_id, concerned, state, problem=problem, **transfer.numbers())

    async def _change_files(
        self, job_id: str, concerned: Callable[[JobFile], bool], state: DownloadState, **facts: object
    ) -> None:
        def edit(job: Job) -> Job:
            changed = {file.id: file.moved(state, **facts) for file in job.files if concerned(file)}
            return job.with_files(changed) if changed else job

        await self._book.change(job_id, edit, must=True)

    async def discard(self, destination: Path) -> None:
        """Delete what has arrived of a file, unless somebody still wants it."""
        if destination in self._book.queue.owners or destination in self._held:
            return
        self._held.add(destination)
        try:
            await asyncio.to_thread(discard_partial, destination)
        except OSError as error:
            log.warning("partial_not_deleted", path=str(destination), reason=str(error))
        finally:
            self._held.discard(destination)
            self.kick()

    async def _tick(self) -> None:
        try:
            while len(self._transfers) and not self._closing:
                await asyncio.sleep(TICK_S)
                for transfer, state in self._transfers.sample():
                    await self._move(transfer, state)
                self._progressed({job_id for one in self._transfers.all() for job_id in one.claims.values()})
        finally:
            self._ticker = None
            if len(self._transfers) and not self._closing:
                self._ticker = asyncio.create_task(self._tick(), name="download-progress")


def _errand(riders: list[tuple[Job, JobFile]]) -> Errand:
    """Make one errand from all who want the file: what one of them knows, serves all."""
    files = [file for _, file in riders]
    address = min(files, key=lambda file: file.url_was_cut)
    return Errand(
        directory=address.directory,
        name=address.name,
        url=address.url,
        revision=address.revision,
        size_bytes=next((file.size_bytes for file in files if file.size_bytes is not None), None),
        sha256=next((file.sha256 for file in files if file.sha256 is not None), None),
        may_replace=any(job.kind is JobKind.PRESET for job, _ in riders),
        url_was_cut=address.url_was_cut,
    )


async def _all_ended(transfers: Iterable[Transfer]) -> None:
    ends = [transfer.end for transfer in transfers if transfer.end is not None]
    if ends:
        await asyncio.wait(ends)
