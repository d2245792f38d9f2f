"""The state of every preset at one moment, kept until something changes.

A question costs a comparison of three numbers as long as nothing changed and the last look at the disk is younger than
a second. Otherwise one thread looks, for everybody who waits, and the loop stays free.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from backend.kit.clock import monotonic_s
from backend.presets.catalog import Catalog, CatalogStore
from backend.presets.disk import DiskWatch
from backend.presets.installation import ActiveDownload, Facts, Place, PresetState, judge_preset
from backend.presets.ports import Downloads, Records
from backend.presets.preset import Preset
from backend.presets.promises import Promises

_LOOK_EVERY_S = 1.0
_revisions = itertools.count(1)

_Key = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All presets with their states; ``revision`` differs between any two snapshots of one process."""

    catalog: Catalog
    states: Mapping[str, PresetState]
    revision: int = field(default_factory=lambda: next(_revisions))


class StateKeeper:
    """Derive snapshots.

    Args:
        changed: Told the old and the new snapshot after each change, on the loop.
    """

    def __init__(
        self,
        *,
        store: CatalogStore,
        disk: DiskWatch,
        ledger: Records,
        downloads: Downloads,
        promises: Promises,
        changed: Callable[[Snapshot, Snapshot], None],
    ) -> None:
        self._store = store
        self._disk = disk
        self._ledger = ledger
        self._downloads = downloads
        self._promises = promises
        self._changed = changed
        self._facts: Mapping[Place, Facts] = {}
        self._promised = -1
        self._key: _Key | None = None
        self._looked_at_s = 0.0
        self._own_changes = 0
        self._task: asyncio.Task[None] | None = None
        self.current = Snapshot(store.current, {})

    async def fresh(self) -> Snapshot:
        """Return a snapshot that was true when or after the question was asked, give or take a second for the disk.

        Raises:
            OSError: A folder can be seen but not read.
        Cancelled: the look goes on for the others.
        """
        if self._is_fresh():
            return self.current
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task])  # it began before this question, so it may have looked too early
            if self._is_fresh():
                return self.current
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._refresh(), name="preset-states")
            self._task.add_done_callback(_heard)
        await asyncio.shield(self._task)
        return self.current

    def invalidate(self) -> None:
        """Make the next question look at the disk: something of ours has changed there."""
        self._own_changes += 1

    async def close(self) -> None:
        """Wait until nobody looks any more."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _is_fresh(self) -> bool:
        return self._key == self._current_key() and monotonic_s() - self._looked_at_s < _LOOK_EVERY_S

    def _current_key(self) -> _Key:
        return (
            self._store.current.serial,
            self._ledger.version,
            self._downloads.activity(),
            self._promises.version,
            self._own_changes,
        )

    async def _refresh(self) -> None:
        key, looked_at_s = self._current_key(), monotonic_s()
        active = self._active_downloads()
        old = self.current
        new = await asyncio.to_thread(self._derive, old, active, key)
        # The catalogue may have been read anew on the way; its new serial then makes the next question look once more.
        self._key, self._looked_at_s = key, looked_at_s
        if new is not old:
            self.current = new
            self._changed(old, new)

    def _active_downloads(self) -> dict[str, ActiveDownload]:
        active: dict[str, ActiveDownload] = {}
        for preset in self._store.current.presets:
            job = self._downloads.active_for(preset.id)
            if job is not None:
                ratio = None if job.progress_ratio is None else round(job.progress_ratio, 3)
                active[preset.id] = ActiveDownload(job.id, str(job.state), ratio)
        return active

    def _derive(self, old: Snapshot, active: Mapping[str, ActiveDownload], key: _Key) -> Snapshot:
        _, ledger_version, _, promised, _ = key
        self._store.refresh()
        catalog = self._store.current
        before, facts = self._facts, self._disk.refresh(catalog, ledger_version)
        keep = catalog is old.catalog and promised == self._promised
        promises = self._promises.all()
        states: dict[str, PresetState] = {}
        for preset in catalog.presets:
            state = old.states.get(preset.id) if keep else None
            download = active.get(preset.id)
            if state is None or state.download != download or _moved(preset, before, facts):
                state = judge_preset(preset, facts, download, promises)
            states[preset.id] = state
        self._facts, self._promised = facts, promised
        return old if keep and states == old.states else Snapshot(catalog, states)


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of an error that nobody waits for any more; the next question meets it again."""
    if not task.cancelled():
        task.exception()


def _moved(preset: Preset, before: Mapping[Place, Facts], now: Mapping[Place, Facts]) -> bool:
    return before is not now and any(before.get(file.place) is not now.get(file.place) for file in preset.files)
