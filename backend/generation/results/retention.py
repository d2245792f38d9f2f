"""Let old results go: what is older than so many days goes to the trash, and what lay there for a week is deleted.

Favourites stay for ever. Nothing happens unless RESULTS_KEEP_DAYS is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from backend.database import Database
from backend.generation.results import store
from backend.generation.results.item import Item, stamp

KEEP_TRASH_DAYS = 7


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What a run would do: ``expired`` go to the trash, ``due`` are deleted from it."""

    expired: tuple[Item, ...] = ()
    due: tuple[Item, ...] = ()

    @property
    def bytes_freed(self) -> int:
        """Bytes that the run frees at once."""
        return sum(item.size_bytes for item in self.due)


async def plan_retention(database: Database, now: datetime, keep_days: int) -> RetentionPlan:
    """Decide what goes.

    Args:
        keep_days: 0 keeps everything.
    """
    if keep_days <= 0:
        return RetentionPlan()
    oldest, oldest_trash = (stamp(now - timedelta(days=days)) for days in (keep_days, KEEP_TRASH_DAYS))
    return RetentionPlan(
        tuple(await database.read(lambda connection: store.made_before(connection, oldest))),
        tuple(await database.read(lambda connection: store.trashed_before(connection, oldest_trash))),
    )
