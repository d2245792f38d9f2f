"""Make the gallery's entries again from what lies on the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from backend.database import Database
from backend.generation.results import sidecar, store, trash
from backend.generation.results.item import Item

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many results lie on the disk, how many of them were not known, and how many entries had lost their file."""

    found: int
    added: int
    dropped: int


async def rebuild(outputs: Path, database: Database) -> Rebuilt:
    """Enter every result that has its file and its sidecar, and drop the entries of those that have not.

    What people said (favourite, rating) is kept where there is an entry, and read from the sidecar where there is none.
    What is collected meanwhile is left alone. The trash must be left alone by others.

    Cancelled: what was entered so far stays.
    """
    before = await database.read(store.every_id)
    survey = await asyncio.to_thread(trash.survey, outputs)
    found: set[str] = set()
    walk = _walk(outputs, survey)
    while batch := await asyncio.to_thread(_some, walk):
        found.update(item.id for item in batch)
        await database.write(lambda connection, items=batch: store.enter(connection, items))
    stale = before - found
    await database.write(lambda connection: store.forget(connection, stale))
    await settle(outputs, database, survey)
    return Rebuilt(len(found), len(found - before), len(stale))


async def settle(outputs: Path, database: Database, survey: trash.Survey) -> None:
    """Bring the entries into line with what the disk says about the trash, then remove what is done with."""
    removals: dict[tuple[str, str], list[str]] = {}
    for each in survey.inside:
        removals.setdefault((each.removal_id, each.removed_at), []).append(each.move.item_id)
    if removals or survey.outside:
        await database.write(
            lambda connection: (
                store.mark_restored(connection, survey.outside),
                *(store.mark_trashed(connection, ids, *removal) for removal, ids in removals.items()),
            )
        )
    await asyncio.to_thread(trash.tidy, outputs)


def _some(walk: Iterator[Item]) -> list[Item]:
    return list(islice(walk, _BATCH))


def _walk(outputs: Path, survey: trash.Survey) -> Iterator[Item]:
    for path in outputs.glob("[!.]*/[!.]*/*.json"):
        found = sidecar.read(path)
        # A result that is itself JSON must not pass for a sidecar: the file that it tells of leads back to it.
        if found is not None and sidecar.place_of(outputs / found.item.path) == path and _is_whole(outputs, found.item):
            yield found.item
    for trashed in survey.inside:
        found = sidecar.read(trashed.move.stored_sidecar, trashed.move.stored)
        if found is not None and found.item.id == trashed.move.item_id:
            yield replace(found.item, removal_id=trashed.removal_id, trashed_at=trashed.removed_at)


def _is_whole(outputs: Path, item: Item) -> bool:
    try:
        return (outputs / item.path).stat().st_size == item.size_bytes
    except OSError:
        return False
