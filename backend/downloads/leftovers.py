"""Once a day, let go of unfinished bytes that nobody has come back for: those of cancelled and of forgotten jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from backend.downloads.book import Book
from backend.downloads.dispatch import Dispatcher
from backend.downloads.job import DownloadState
from backend.downloads.ports import Folders
from backend.downloads.transfer import Leftover, leftover_of, leftovers_below
from backend.kit.clock import utc_now
from backend.logs import get_logger

KEEP = timedelta(days=7)
_EVERY = timedelta(days=1)

log = get_logger(__name__)


class Leftovers:
    """Delete what has waited for longer than ``KEEP``, and never what an unfinished or failed job would go on with."""

    def __init__(self, *, book: Book, dispatcher: Dispatcher, folders: Folders) -> None:
        self._book = book
        self._dispatcher = dispatcher
        self._folders = folders
        self._daily: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Tidy now and then every day."""
        self._daily = asyncio.create_task(self._tidy_daily(), name="leftovers")

    async def close(self) -> None:
        """Stop tidying."""
        if self._daily is not None:
            self._daily.cancel()
            await asyncio.wait([self._daily])

    async def tidy(self, now: datetime) -> list[Path]:
        """Delete what is due at *now*, and return whose bytes those were."""
        kept, cancelled = self._may_go_on(), self._cancelled()
        found = await asyncio.to_thread(self._find, frozenset(cancelled))
        due = [
            left.destination
            for left in found
            if left.destination not in kept and now.timestamp() - _abandoned_at(left, cancelled) > KEEP.total_seconds()
        ]
        for destination in due:
            await self._dispatcher.discard(destination)
        return due

    async def _tidy_daily(self) -> None:
        while True:
            try:
                if due := await self.tidy(utc_now()):
                    log.info("partials_tidied", files=[path.name for path in due])
            except OSError as error:
                log.warning("partials_not_tidied", reason=str(error))
            await asyncio.sleep(_EVERY.total_seconds())

    def _may_go_on(self) -> set[Path]:
        """Return the destinations of everything that is unfinished, or that a retry would take up."""
        return {
            file.destination
            for job in self._book.jobs.values()
            for file in job.files
            if file.destination is not None and (not file.ended or file.state is DownloadState.FAILED)
        }

    def _cancelled(self) -> dict[Path, float]:
        """Return when each destination was given up last, in seconds since 1970."""
        given_up: dict[Path, float] = {}
        for job in self._book.jobs.values():
            ended_at = (job.finished_at or job.created_at).timestamp()
            for file in job.files_in(DownloadState.CANCELLED):
                if file.destination is not None:
                    given_up[file.destination] = max(ended_at, given_up.get(file.destination, 0.0))
        return given_up

    def _find(self, known: Collection[Path]) -> list[Leftover]:
        found = {left.destination: left for root in self._folders.roots() for left in leftovers_below(root)}
        # A cancelled job's part is ours also when it has lost its state.
        found |= {left.destination: left for path in known if (left := leftover_of(path)) is not None}
        return list(found.values())


def _abandoned_at(left: Leftover, cancelled: Mapping[Path, float]) -> float:
    return max(left.left_at, cancelled.get(left.destination, 0.0))
