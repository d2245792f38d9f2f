"""What changes files or definitions of presets: removal and its undo, the user's definitions, a newer catalogue.

One change runs at a time, so that no plan is made on a disk that another change is about to alter.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from backend.downloads import discard_partial
from backend.events import Hub
from backend.presets.catalog import Catalog, CatalogStore
from backend.presets.changes import publish_catalog
from backend.presets.errors import InvalidPreset, NothingToRestore, PresetBusy, PresetError, PresetExists, PresetShipped
from backend.presets.ports import Downloads, ModelTree
from backend.presets.preset import Origin, Preset
from backend.presets.removal import KeptFile, RemovableFile, RemovalPlan, execute_removal, plan_removal, restore
from backend.presets.schema import PresetDocument
from backend.presets.states import Snapshot, StateKeeper
from backend.presets.update import Fetch, UpdateReport, update_catalog
from backend.presets.user import check_places, delete_definition, save_definition


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal did, or would do when ``dry_run``.

    ``files`` went to the trash, ``kept`` stay and say why, ``partials`` (unfinished transfers) were deleted;
    ``removal_id`` undoes it and is None when no file was moved.
    """

    preset_id: str
    dry_run: bool
    removal_id: str | None
    files: tuple[RemovableFile, ...]
    kept: tuple[KeptFile, ...]
    partials: tuple[Path, ...]
    bytes_freed: int
    definition_removed: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """What an undo brought back."""

    preset_id: str
    paths: tuple[Path, ...]


class Upkeep:
    """Change presets."""

    def __init__(
        self, *, store: CatalogStore, keeper: StateKeeper, downloads: Downloads, paths: ModelTree, hub: Hub
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._downloads = downloads
        self._paths = paths
        self._hub = hub
        self._turn = asyncio.Lock()

    async def remove(self, preset_id: str, *, dry_run: bool, definition: bool) -> Removal:
        """Move a preset's files to the trash, unless another preset or nobody may; with *definition* it goes too.

        Raises:
            PresetNotFound, PresetRetired: The id leads nowhere.
            PresetShipped: The definition is not the user's; nothing was changed.
            PresetBusy: The files are being downloaded; nothing was changed.
            OSError: A file cannot be moved; those before it can be restored.
        Cancelled: the removal goes on to its end.
        """
        return await asyncio.shield(asyncio.ensure_future(self._remove(preset_id, dry_run, definition)))

    async def restore(self, preset_id: str, removal_id: str | None) -> Restored:
        """Bring back what a removal moved to the trash, by default the last one; its definition may be gone.

        Raises:
            NothingToRestore, RestoreBlocked: See :func:`backend.presets.removal.restore`.
            PresetNotFound, PresetRetired: The id leads nowhere, and nothing of it is in the trash.
            PresetBusy: The files are being downloaded.
        Cancelled: the restoration goes on to its end.
        """
        return await asyncio.shield(asyncio.ensure_future(self._restore(preset_id, removal_id)))

    async def create(self, document: PresetDocument) -> Preset:
        """Keep a new definition of the user's.

        Raises:
            PresetExists: The id is taken.
            InvalidPreset: A file has no place in this workspace.
        """
        async with self._turn:
            catalog = (await self._look_again()).catalog
            if document.id in catalog.by_id:
                raise PresetExists(f"There is a preset {document.id} already.")
            await self._save(catalog, document)
            publish_catalog(self._hub, catalog.version, added=(document.id,))
            return self._store.current.by_id[document.id]

    async def replace(self, preset_id: str, document: PresetDocument) -> Preset:
        """Keep a definition of the user's in place of the one in force; a shipped one shows again when it is removed.

        Raises:
            PresetNotFound, PresetRetired: The id leads nowhere.
            InvalidPreset: The definition has another id, or a file has no place in this workspace.
        """
        async with self._turn:
            catalog = (await self._look_again()).catalog
            preset = catalog.get(preset_id)
            if document.id != preset.id:
                problem = f"id: it is {document.id}, but the address names {preset.id}"
                raise InvalidPreset(
                    f"The preset is not valid: {problem}.",
                    hint="Keep the id, or create a preset of another id with POST /api/presets.",
                    details={"problems": [problem]},
                )
            await self._save(catalog, document)
            publish_catalog(self._hub, catalog.version, changed=(preset.id,))
            return self._store.current.by_id[preset.id]

    async def update(self, url: str | None, fetch: Fetch) -> UpdateReport:
        """Take over the catalogue at *url*; see :func:`backend.presets.update.update_catalog`."""
        async with self._turn:
            report = await update_catalog(self._store, url, fetch)
            await self._look_again()
        publish_catalog(self._hub, report.version, added=report.added, changed=report.changed, removed=report.removed)
        return report

    async def _remove(self, preset_id: str, dry_run: bool, definition: bool) -> Removal:
        async with self._turn:
            snapshot = await self._look_again()
            preset = snapshot.catalog.get(preset_id)
            if definition and preset.origin is not Origin.USER:
                raise PresetShipped(f"The definition of {preset.id} comes with Hearth and cannot be removed.")
            self._refuse_while_busy(preset.id, "removed")
            plan = await asyncio.to_thread(self._plan, preset, snapshot)
            if dry_run:
                return _removal(plan, dry_run=True)
            try:
                removal_id = await asyncio.to_thread(_execute, plan)
                if definition:
                    await asyncio.to_thread(delete_definition, snapshot.catalog, preset.id)
            finally:
                await self._look_again()
            if definition:
                publish_catalog(self._hub, snapshot.catalog.version, removed=(preset.id,))
            return _removal(plan, removal_id=removal_id, definition_removed=definition)

    async def _restore(self, preset_id: str, removal_id: str | None) -> Restored:
        async with self._turn:
            catalog = (await self._look_again()).catalog
            unknown: PresetError | None = None
            try:
                known_id = catalog.get(preset_id).id
            except PresetError as error:  # its definition may have been removed together with its files
                known_id, unknown = preset_id, error
            self._refuse_while_busy(known_id, "restored")
            try:
                paths = await asyncio.to_thread(restore, known_id, self._paths.roots(), removal_id)
            except NothingToRestore:
                raise unknown or NothingToRestore(
                    f"Nothing that was removed with the preset {known_id} is in the trash."
                ) from None
            finally:
                await self._look_again()
            return Restored(known_id, tuple(paths))

    async def _save(self, catalog: Catalog, document: PresetDocument) -> None:
        await asyncio.to_thread(check_places, document, self._paths.destination)
        await asyncio.to_thread(save_definition, self._store.user, catalog, document)
        await self._look_again()

    def _plan(self, preset: Preset, snapshot: Snapshot) -> RemovalPlan:
        return plan_removal(preset, snapshot.catalog, snapshot.states, self._paths.roots(), self._paths.destination)

    def _refuse_while_busy(self, preset_id: str, what: str) -> None:
        job = self._downloads.active_for(preset_id)
        if job is not None:
            raise PresetBusy(
                f"The files of {preset_id} cannot be {what} while they are being downloaded.",
                details={"preset_id": preset_id, "download_id": job.id},
            )

    async def _look_again(self) -> Snapshot:
        self._keeper.invalidate()
        return await self._keeper.fresh()


def _removal(
    plan: RemovalPlan, *, dry_run: bool = False, removal_id: str | None = None, definition_removed: bool = False
) -> Removal:
    return Removal(
        plan.preset_id, dry_run, removal_id, plan.files, plan.kept, plan.partials, plan.bytes_freed, definition_removed
    )


def _execute(plan: RemovalPlan) -> str | None:
    removal_id = execute_removal(plan)
    for destination in plan.partials:
        discard_partial(destination)
    return removal_id
