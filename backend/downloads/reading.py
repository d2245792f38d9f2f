"""The half of the download queue that only looks."""

from __future__ import annotations

from collections.abc import Collection

from backend.downloads.admission import Admission
from backend.downloads.book import Book
from backend.downloads.view import DownloadJob, DownloadPage, QueueTotals, Viewer


class Reading:
    """Tell how the downloads stand; nothing here changes anything."""

    def __init__(self, *, book: Book, viewer: Viewer, admission: Admission) -> None:
        self._book = book
        self._viewer = viewer
        self._admission = admission

    async def get_progress(self, job_id: str) -> DownloadJob:
        """Return one job as it is now.

        Raises:
            DownloadNotFound: There is none.
        """
        return self._viewer.job(self._book.job(job_id))

    async def list(
        self,
        *,
        states: Collection[str] = (),
        active: bool | None = None,
        preset_id: str | None = None,
        query: str = "",
        limit: int = 100,
        offset: int = 0,
    ) -> DownloadPage:
        """Return one page of the queue and its history.

        Args:
            states: Only jobs in one of these.
            active: True for unfinished jobs, False for the history.
            query: Only jobs with this text in their name, preset or file names, in any case of letters.
        """
        found = [
            job
            for job in self._book.in_order()
            if (not states or job.state in states)
            and (active is None or active is not job.ended)
            and (preset_id is None or preset_id == job.preset_id)
            and job.mentions(query)
        ]
        items = [self._viewer.job(job) for job in found[offset : offset + limit]]
        return DownloadPage(items, len(found), self.totals())

    def totals(self) -> QueueTotals:
        """Return the queue in numbers."""
        return self._viewer.totals(paused=self._admission.paused)

    def active_for(self, preset_id: str) -> DownloadJob | None:
        """Return the unfinished job of a preset."""
        job = self._admission.active(preset_id)
        return None if job is None else self._viewer.job(job)

    def activity(self) -> int:
        """Return a number that grows when any job or file changes its state."""
        return self._book.activity
