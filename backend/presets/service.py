"""The presets of this workspace: what there is, what of it is installed, and everything one can do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import HearthError
from backend.events import Hub
from backend.events.types import DOWNLOADS
from backend.logs import get_logger
from backend.presets.catalog import Catalog, CatalogStore
from backend.presets.changes import publish_changes
from backend.presets.checks import Checks, Promised
from backend.presets.disk import DiskWatch
from backend.presets.installation import PRESENT, Inspector
from backend.presets.pages import Encoded, PageCache, encode
from backend.presets.ports import Downloads, ModelTree, PresetJob, Records
from backend.presets.preset import Preset
from backend.presets.promises import Promises
from backend.presets.query import PresetQuery, select
from backend.presets.schema import PresetDocument
from backend.presets.states import Snapshot, StateKeeper
from backend.presets.update import Fetch, UpdateReport
from backend.presets.upkeep import Removal, Restored, Upkeep
from backend.presets.view import (
    CategoryList,
    PresetDetail,
    PresetPage,
    PresetStatusView,
    VerificationView,
    view_categories,
    view_detail,
    view_page,
    view_status,
)

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Queued:
    """What became of one id of a bulk download: a job, or why there is none."""

    id: str
    job: PresetJob | None
    error: HearthError | None


class PresetManager:
    """Join catalogue, disk, ledger and download queue. An id may always be an older name, in any case.

    Args:
        partial_bytes: Returns the durable bytes of an unfinished transfer to a destination, or None.
        promised: Asks the host of an address for the checksum of the file there; None when it promises none.
        catalog_url: Where a newer catalogue is fetched from.
        fetch: Returns the small document at an address.
    """

    def __init__(
        self,
        *,
        store: CatalogStore,
        ledger: Records,
        downloads: Downloads,
        paths: ModelTree,
        hub: Hub,
        partial_bytes: Callable[[Path], int | None],
        promised: Promised,
        fetch: Fetch,
        catalog_url: str | None,
    ) -> None:
        self._store = store
        self._downloads = downloads
        self._hub = hub
        self._catalog_url = catalog_url
        self._fetch = fetch
        self._promises = Promises(store.updated.with_name("promised.json"))
        self._keeper = StateKeeper(
            store=store,
            disk=DiskWatch(paths, Inspector(paths, ledger, partial_bytes)),
            ledger=ledger,
            downloads=downloads,
            promises=self._promises,
            changed=lambda old, new: publish_changes(hub, old, new),
        )
        self._checks = Checks(
            keeper=self._keeper,
            promises=self._promises,
            hub=hub,
            find=paths.find,
            record=ledger.record,
            promised=promised,
        )
        self._upkeep = Upkeep(store=store, keeper=self._keeper, downloads=downloads, paths=paths, hub=hub)
        self._pages = PageCache()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Read the catalogue; the first look at the disk goes on beside the start."""
        await asyncio.to_thread(self._read)
        for warning in self.catalog.warnings:
            _log.warning("preset_definition_ignored", reason=warning)
        self._in_background(self._follow_downloads(), "preset-downloads")

    async def close(self) -> None:
        """Stop checks and background work; no thread of theirs stays."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._checks.close()
        await self._keeper.close()

    @property
    def catalog(self) -> Catalog:
        """The definitions in use."""
        return self._store.current

    def files_of(self, preset_id: str) -> Preset:
        """Return a preset for the download queue.

        Raises:
            PresetNotFound, PresetRetired: The id leads nowhere.
        """
        return self.catalog.get(preset_id)

    def states(self) -> Snapshot:
        """Return the last snapshot without looking again."""
        return self._keeper.current

    async def list_page(self, query: PresetQuery) -> PresetPage:
        """Answer a question to the list."""
        snapshot = await self._keeper.fresh()
        return await asyncio.to_thread(_page, snapshot, query)

    async def list_encoded(self, query: PresetQuery) -> Encoded:
        """Answer a question to the list, ready to send; the same question costs next to nothing until something changes."""
        snapshot = await self._keeper.fresh()
        kept = self._pages.get(snapshot.revision, query)
        if kept is None:
            kept = await asyncio.to_thread(lambda: encode(_page(snapshot, query)))
            self._pages.put(snapshot.revision, query, kept)
        return kept

    async def categories(self) -> CategoryList:
        """Count the presets of each category."""
        snapshot = await self._keeper.fresh()
        return view_categories(snapshot.catalog, snapshot.states)

    async def view(self, preset_id: str) -> PresetDetail:
        """Show a preset with its files.

        Raises:
            PresetNotFound, PresetRetired: The id leads nowhere.
        """
        snapshot = await self._keeper.fresh()
        preset = snapshot.catalog.get(preset_id)
        return view_detail(preset, snapshot.states[preset.id], snapshot.catalog)

    async def status(self, preset_id: str) -> PresetStatusView:
        """Show how a preset stands.

        Raises:
            PresetNotFound, PresetRetired: The id leads nowhere.
        """
        snapshot = await self._keeper.fresh()
        preset = snapshot.catalog.get(preset_id)
        return view_status(preset, snapshot.states[preset.id])

    async def download(self, preset_id: str) -> PresetJob:
        """Queue what is missing of a preset, or return the unfinished job for it.

        Raises:
            PresetNotFound, PresetRetired: The id leads nowhere.
            DownloadError: The queue refuses it, for want of space for instance.
        """
        return await self._downloads.download_preset(self.catalog.get(preset_id).id)

    async def download_many(self, preset_ids: Sequence[str]) -> list[Queued]:
        """Queue several presets; what is refused for one is told beside its id and does not stop the others."""
        answers: list[Queued] = []
        for preset_id in dict.fromkeys(preset_ids):
            try:
                answers.append(Queued(preset_id, await self.download(preset_id), None))
            except HearthError as error:
                answers.append(Queued(preset_id, None, error))
        return answers

    def queue_at_start(self, preset_ids: Iterable[str]) -> None:
        """Queue what is missing of the presets that the environment names; returns at once and never fails."""
        wanted = tuple(dict.fromkeys(preset_ids))
        if wanted:
            self._in_background(self._queue(wanted), "preset-startup")

    async def verify(self, preset_id: str, *, wait: bool = False) -> VerificationView:
        """Read a preset's files and compare their checksums; see :meth:`Checks.start`."""
        return await self._checks.start(preset_id, wait=wait)

    async def verification(self, preset_id: str) -> VerificationView:
        """Return the latest check of a preset; see :meth:`Checks.last`."""
        return await self._checks.last(preset_id)

    async def cancel_verification(self, preset_id: str) -> VerificationView:
        """Stop a check; see :meth:`Checks.cancel`."""
        return await self._checks.cancel(preset_id)

    async def delete(self, preset_id: str, *, dry_run: bool = False, definition: bool = False) -> Removal:
        """Move a preset's files to the trash; see :meth:`Upkeep.remove`."""
        return await self._upkeep.remove(preset_id, dry_run=dry_run, definition=definition)

    async def restore(self, preset_id: str, removal_id: str | None = None) -> Restored:
        """Undo a removal; see :meth:`Upkeep.restore`."""
        return await self._upkeep.restore(preset_id, removal_id)

    async def create(self, document: PresetDocument) -> PresetDetail:
        """Keep a new definition of the user's; see :meth:`Upkeep.create`."""
        return await self.view((await self._upkeep.create(document)).id)

    async def replace(self, preset_id: str, document: PresetDocument) -> PresetDetail:
        """Replace a definition by one of the user's; see :meth:`Upkeep.replace`."""
        return await self.view((await self._upkeep.replace(preset_id, document)).id)

    async def update(self) -> UpdateReport:
        """Take over a newer catalogue; see :meth:`Upkeep.update`."""
        return await self._upkeep.update(self._catalog_url, self._fetch)

    def _read(self) -> None:
        self._promises.load()
        self._store.refresh()

    async def _queue(self, wanted: tuple[str, ...]) -> None:
        """Queue presets; one that cannot be had is a warning and never stops the others."""
        snapshot = await self._keeper.fresh()
        for preset_id in wanted:
            try:
                preset = snapshot.catalog.get(preset_id)
                if snapshot.states[preset.id].status not in PRESENT:
                    job = await self._downloads.download_preset(preset.id)
                    _log.info("startup_preset_queued", preset_id=preset.id, job_id=job.id)
            except HearthError as error:
                _log.warning("startup_preset_skipped", preset_id=preset_id, reason=error.message, hint=error.hint)

    async def _follow_downloads(self) -> None:
        """Derive states anew after each change of a download, so that listeners hear of a new status at once."""
        with self._hub.subscribe((DOWNLOADS,), progress=False) as subscription:
            while True:
                try:
                    await self._keeper.fresh()
                except OSError as error:
                    _log.warning("model_folders_unreadable", reason=str(error))
                await subscription.next()
                subscription.resume()

    def _in_background(self, work: Coroutine[object, object, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._background_ended)

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("preset_background_work_failed", work=task.get_name(), exc_info=error)


def _page(snapshot: Snapshot, query: PresetQuery) -> PresetPage:
    return view_page(select(snapshot.catalog, snapshot.states, query), snapshot.states, query)
