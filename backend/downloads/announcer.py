"""Tell the hub what happens in the queue."""

from __future__ import annotations

from collections.abc import Collection

from backend.downloads.book import Book
from backend.downloads.job import Job
from backend.downloads.view import Viewer
from backend.errors import JSON
from backend.events import Event, Hub
from backend.events.types import DOWNLOAD_CHANGED, DOWNLOAD_PROGRESS, DOWNLOAD_QUEUE, DOWNLOAD_REMOVED, DOWNLOADS


class Announcer:
    """Turn changes of the queue into events; every method runs on the loop and returns at once.

    ``paused`` says whether newcomers begin paused.
    """

    def __init__(self, hub: Hub, book: Book, viewer: Viewer) -> None:
        self._hub = hub
        self._book = book
        self._viewer = viewer
        self._order: tuple[str, ...] = ()
        self.paused = False

    def changed(self, job: Job) -> None:
        """Tell the whole job, and the order of the queue when it became another."""
        self._hub.publish(Event(DOWNLOADS, DOWNLOAD_CHANGED, job.id, self._viewer.job(job).as_dict()))
        if tuple(self._book.queue.positions) != self._order:
            self.queue()

    def removed(self, job_ids: Collection[str]) -> None:
        """Tell that jobs were forgotten."""
        for job_id in job_ids:
            self._hub.publish(Event(DOWNLOADS, DOWNLOAD_REMOVED, job_id, {"id": job_id}))

    def progressed(self, job_ids: Collection[str]) -> None:
        """Tell the numbers of jobs that have files under way; costs nothing when nobody listens."""
        if not self._hub.has_listeners(DOWNLOADS):
            return
        for job_id in job_ids:
            numbers = self._viewer.job(self._book.job(job_id)).numbers()
            self._hub.publish(Event(DOWNLOADS, DOWNLOAD_PROGRESS, job_id, numbers, lasting=False))

    def queue(self) -> None:
        """Tell the order of the queue and whether all of it is paused."""
        self._order = tuple(self._book.queue.positions)
        data: dict[str, JSON] = {"order": [*self._order], "paused": self.paused}
        self._hub.publish(Event(DOWNLOADS, DOWNLOAD_QUEUE, "", data))
