"""Throw results away, bring them back, and let old ones go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from backend.database import Database
from backend.generation.job import Owner
from backend.generation.results import store, trash
from backend.generation.results.errors import RemovalNotFound, ResultNotFound, ResultNotStored
from backend.generation.results.item import Item, stamp
from backend.generation.results.rebuild import Rebuilt, rebuild, settle
from backend.generation.results.retention import RetentionPlan, plan_retention
from backend.generation.results.workshop import Workshop
from backend.kit.clock import utc_now
from backend.kit.ids import new_id
from backend.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")

_RETENTION_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Removed:
    """What went to the trash; ``removal_id`` brings it back, and is None when nothing went."""

    removal_id: str | None
    ids: list[str]
    bytes: int


@dataclass(frozen=True, slots=True)
class Returned:
    """What is back in its place."""

    ids: list[str]


@dataclass(frozen=True, slots=True)
class Emptied:
    """What was deleted for good."""

    deleted: int
    bytes: int


class Disposal:
    """Move the results below *outputs* between their places, the trash, and nowhere.

    Args:
        keep_days: Results that are older go, unless they are favourites; 0 keeps everything.
    """

    def __init__(self, outputs: Path, database: Database, workshop: Workshop, *, keep_days: int = 0) -> None:
        self._outputs = outputs
        self._database = database
        self._workshop = workshop
        self._keep_days = keep_days
        self._moving = asyncio.Lock()  # one removal, restoration or rebuilding at a time
        self._daily: asyncio.Task[None] | None = None
        self._working: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Finish what a crash left half-way; make the entries again when there are none but results lie there."""
        await asyncio.to_thread(self._outputs.mkdir, parents=True, exist_ok=True)
        if await self._database.read(store.every_id):
            await self._settle()
        else:
            await self.rebuild()
        self._daily = asyncio.create_task(self._tidy_daily(), name="results")

    async def close(self) -> None:
        """Finish the moves in hand and stop tidying."""
        if self._daily is not None:
            self._daily.cancel()
        tasks = [*self._working, *([self._daily] if self._daily is not None else [])]
        if tasks:
            await asyncio.wait(tasks)

    async def remove(self, ids: Sequence[str], owner: Owner) -> Removed:
        """Move results to the trash; those that lie there already stay as they are.

        Cancelled: it is done all the same, as everything here.

        Raises:
            ResultNotFound: None of them is there.
            ResultNotStored: The disk refuses.
        """
        return await self._finish(self._remove_all(ids, owner))

    async def restore(
        self, owner: Owner, *, removal_id: str | None = None, ids: Collection[str] | None = None
    ) -> Returned:
        """Bring results back from the trash: those of one removal, or those named.

        Raises:
            RemovalNotFound: Nothing of the sort is in the trash.
            ResultInTheWay: Another file stands where one belongs; nothing was moved.
            ResultNotStored: The disk refuses.
        """
        return await self._finish(self._restore_all(owner, removal_id, ids))

    async def empty_trash(self, owner: Owner) -> Emptied:
        """Delete for good what *owner* may see of the trash.

        Raises:
            ResultNotStored: The disk refuses.
        """
        return await self._finish(self._purge_all(owner))

    async def rebuild(self) -> Rebuilt:
        """Make the entries again from what lies on the disk."""
        async with self._moving:
            done = await rebuild(self._outputs, self._database)
        if done.added or done.dropped:
            log.info("gallery_rebuilt", found=done.found, added=done.added, dropped=done.dropped)
        return done

    async def plan_retention(self) -> RetentionPlan:
        """Return what the next daily run would do if it came now."""
        return await plan_retention(self._database, utc_now(), self._keep_days)

    async def execute_retention(self, plan: RetentionPlan) -> None:
        """Carry out *plan*; what was taken back or made a favourite since stays.

        Raises:
            ResultNotStored: The disk refuses.
        """
        await self._finish(self._retain(plan))

    async def _tidy_daily(self) -> None:
        while True:
            try:
                plan = await self.plan_retention()
                if plan.expired or plan.due:
                    await self.execute_retention(plan)
                    log.info("results_tidied", trashed=len(plan.expired), deleted=len(plan.due))
            except (ResultNotStored, store.StoreFailed) as error:
                log.warning("results_not_tidied", reason=str(error))
            await asyncio.sleep(_RETENTION_EVERY.total_seconds())

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry *work* out to its end, whoever asked may leave."""
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await asyncio.shield(task)

    async def _remove_all(self, ids: Sequence[str], owner: Owner) -> Removed:
        async with self._moving:
            found = await find_all(self._database, ids, owner)
            return await self._remove([item for item in found if item.trashed_at is None])

    async def _restore_all(self, owner: Owner, removal_id: str | None, ids: Collection[str] | None) -> Returned:
        async with self._moving:
            found = await self._database.read(lambda connection: store.trashed(connection, sees(owner), removal_id))
            items = [item for item in found if ids is None or item.id in ids]
            if not items:
                raise RemovalNotFound("Nothing of the sort is in the trash.")
            await self._on_disk(lambda: trash.move_back(self._outputs, items))
            restored = [item.id for item in items]
            await self._database.write(lambda connection: store.mark_restored(connection, restored))
            await asyncio.to_thread(trash.tidy, self._outputs)
            return Returned(restored)

    async def _purge_all(self, owner: Owner) -> Emptied:
        async with self._moving:
            return await self._purge(
                await self._database.read(lambda connection: store.trashed(connection, sees(owner)))
            )

    async def _retain(self, plan: RetentionPlan) -> None:
        async with self._moving:
            now = await self.plan_retention()
            expired, due = ({item.id for item in items} for items in (plan.expired, plan.due))
            await self._remove([item for item in now.expired if item.id in expired])
            await self._purge([item for item in now.due if item.id in due])

    async def _remove(self, items: Sequence[Item]) -> Removed:
        if not items:
            return Removed(None, [], 0)
        removal_id, moment = new_id(), stamp(utc_now())
        ids = [item.id for item in items]
        await self._on_disk(lambda: trash.move_away(self._outputs, items, removal_id, moment))
        await self._database.write(lambda connection: store.mark_trashed(connection, ids, removal_id, moment))
        return Removed(removal_id, ids, sum(item.size_bytes for item in items))

    async def _purge(self, items: Sequence[Item]) -> Emptied:
        def delete() -> None:
            trash.purge(self._outputs, items)
            for item in items:
                self._workshop.discard(item.id, item.sha256)

        await self._on_disk(delete)
        await self._database.write(lambda connection: store.forget(connection, [item.id for item in items]))
        await asyncio.to_thread(trash.tidy, self._outputs)
        return Emptied(len(items), sum(item.size_bytes for item in items))

    async def _settle(self) -> None:
        await settle(self._outputs, self._database, await asyncio.to_thread(trash.survey, self._outputs))

    async def _on_disk(self, move: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(move)
        except OSError as error:
            await self._settle()
            raise ResultNotStored(f"The results cannot be moved: {error.strerror}.") from error


async def find_all(database: Database, ids: Collection[str], owner: Owner) -> list[Item]:
    """Return those of *ids* that *owner* may see.

    Raises:
        ResultNotFound: None of them.
    """
    found = await database.read(lambda connection: store.find(connection, ids, sees(owner)))
    if not found:
        raise ResultNotFound("There is no such result." if len(ids) == 1 else "None of these results is there.")
    return found


def sees(owner: Owner) -> str | None:
    """Return whose results *owner* sees; None means everybody's."""
    return None if owner.is_admin else owner.id
