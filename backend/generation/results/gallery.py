"""The gallery: look at results, and say what one thinks of them.

Everybody sees what is theirs; who administers this Hearth sees everything. What is somebody else's does not exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backend.database import Database
from backend.errors import JSON
from backend.generation.job import Owner
from backend.generation.results import sidecar, store, trash
from backend.generation.results.archive import stream_zip
from backend.generation.results.disposal import find_all, sees
from backend.generation.results.errors import ResultGone
from backend.generation.results.formats import Format
from backend.generation.results.item import Item, ItemDetail, ItemShown, shown
from backend.generation.results.query import Cursor, GalleryQuery
from backend.generation.results.workshop import Workshop
from backend.logs import get_logger

log = get_logger(__name__)

_MOST_MAKERS = 500


@dataclass(frozen=True, slots=True)
class GalleryPage:
    """One page, newest first; ``total`` counts all pages, ``next`` leads to the one that follows."""

    items: list[ItemShown]
    total: int
    next: str | None


@dataclass(frozen=True, slots=True)
class ResultFile:
    """The file of a result, where it lies now."""

    item: Item
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What stands beside a result: ids, and its place from 1 among the *total* that match."""

    newer: str | None
    older: str | None
    place: int
    total: int


@dataclass(frozen=True, slots=True)
class Makers:
    """What results can be looked for by: workflows by id and title, models by name."""

    workflows: list[tuple[str, str]]
    models: list[str]


class Gallery:
    """Show the results below *outputs*."""

    def __init__(self, outputs: Path, database: Database, workshop: Workshop) -> None:
        self._outputs = outputs
        self._database = database
        self._workshop = workshop
        self._saying = asyncio.Lock()  # sidecars are read, changed and written

    async def page(self, query: GalleryQuery, owner: Owner, cursor: str | None, limit: int) -> GalleryPage:
        """Return one page of what *owner* may see.

        Raises:
            InvalidGalleryQuery: The cursor is none of ours.
        """
        after = None if not cursor else Cursor.decode(cursor)
        found, total = await self._database.read(
            lambda connection: store.page(connection, query, sees(owner), after, limit + 1)
        )
        shown, more = found[:limit], len(found) > limit
        return GalleryPage(
            [self._shown(item) for item in shown], total, Cursor.behind(shown[-1]).encode() if more else None
        )

    async def detail(self, item_id: str, owner: Owner) -> ItemDetail:
        """Return one result with how it came about; ``making`` is empty when its sidecar was taken away.

        Raises:
            ResultNotFound: It is not there, or somebody else's.
        """
        item = await self._find(item_id, owner)
        about = await asyncio.to_thread(self._sidecar, item)
        making: dict[str, JSON] = {} if about is None else about.making()
        return ItemDetail(self._shown(item), making)

    async def neighbours(self, item_id: str, query: GalleryQuery, owner: Owner) -> Neighbours:
        """Return what comes before and after a result in the list that *query* asks for.

        Raises:
            ResultNotFound: It is not there, or somebody else's.
        """
        here = Cursor.behind(await self._find(item_id, owner))

        def look(connection: store.Connection) -> Neighbours:
            newer, before = store.newer(connection, query, sees(owner), here)
            older, total = store.page(connection, query, sees(owner), here, 1)
            return Neighbours(newer, older[0].id if older else None, before + 1, total)

        return await self._database.read(look)

    async def makers(self, owner: Owner) -> Makers:
        """Return the workflows and models, at most 500 of each, that made what *owner* may see."""
        return await self._database.read(
            lambda connection: Makers(
                store.workflows_seen(connection, sees(owner), _MOST_MAKERS),
                store.models_seen(connection, sees(owner), _MOST_MAKERS),
            )
        )

    async def file(self, item_id: str, owner: Owner) -> ResultFile:
        """Return where the file of a result lies.

        Raises:
            ResultNotFound, ResultGone: There is no such result, or its file was taken away.
        """
        item = await self._find(item_id, owner)
        path = self._where(item)
        try:
            return ResultFile(item, path, (await asyncio.to_thread(path.stat)).st_size)
        except OSError:
            raise ResultGone(f"The file of {item.name} is not where it was put.") from None

    async def thumbnail(self, item_id: str, owner: Owner) -> tuple[Item, Path]:
        """Return a small picture of a result, made now unless it is there (errors: :meth:`Workshop.thumbnail`)."""
        item = await self._find(item_id, owner)
        return item, await self._workshop.thumbnail(item, self._where(item))

    async def convert(self, item_id: str, owner: Owner, wanted: Format, quality: int) -> tuple[Item, bytes]:
        """Return a picture in another format (errors: :meth:`Workshop.convert`)."""
        item = await self._find(item_id, owner)
        return item, await self._workshop.convert(item, self._where(item), wanted, quality)

    async def request(self, item_id: str, owner: Owner, *, exact: bool = False) -> dict[str, JSON]:
        """Return what POST /api/generations needs to make a result like this one.

        Args:
            exact: The graph as it ran, and not the workflow as it is today.
        Raises:
            ResultNotFound, ResultGone: There is no such result, or its sidecar was taken away.
        """
        item = await self._find(item_id, owner)
        about = await asyncio.to_thread(self._sidecar, item)
        if about is None:
            raise ResultGone(f"What made {item.name} is not known any more: its sidecar is gone.")
        request: dict[str, JSON] = (
            {"prompt": dict(about.graph), "title": item.title}
            if exact or item.workflow_id is None
            else {"workflow_id": item.workflow_id, "inputs": dict(about.inputs)}
        )
        return request if item.seed is None else {**request, "seed": item.seed}

    async def say(
        self, item_id: str, owner: Owner, *, favourite: bool | None = None, rating: int | None = None
    ) -> ItemShown:
        """Keep what somebody thinks of a result; what is None stays as it was.

        Raises:
            ResultNotFound: It is not there, or somebody else's.
        """
        async with self._saying:
            item = await self._find(item_id, owner)
            said = replace(
                item,
                favourite=item.favourite if favourite is None else favourite,
                rating=item.rating if rating is None else rating,
            )
            await self._database.write(
                lambda connection: store.say(
                    connection, [item_id], {"favourite": said.favourite, "rating": said.rating}
                )
            )
            await asyncio.to_thread(self._note, said)
        return self._shown(said)

    async def favour(self, ids: Sequence[str], owner: Owner, *, favourite: bool) -> int:
        """Make results favourites, or ordinary ones again; return how many. What is not there is left out.

        Raises:
            ResultNotFound: None of them is there.
        """
        async with self._saying:
            said = [replace(item, favourite=favourite) for item in await find_all(self._database, ids, owner)]
            found = [item.id for item in said]
            await self._database.write(lambda connection: store.say(connection, found, {"favourite": favourite}))
            await asyncio.to_thread(lambda: [self._note(item) for item in said])
        return len(said)

    async def archive(self, ids: Sequence[str], owner: Owner) -> Iterator[bytes]:
        """Return an archive of results, to be walked off the loop; what is not there is left out.

        Raises:
            ResultNotFound: None of them is there.
        """
        items = await find_all(self._database, ids, owner)
        return stream_zip([(item, self._where(item)) for item in items])

    async def _find(self, item_id: str, owner: Owner) -> Item:
        return (await find_all(self._database, [item_id], owner))[0]

    def _where(self, item: Item) -> Path:
        return trash.stored_at(self._outputs, item) if item.trashed_at is not None else self._outputs / item.path

    def _sidecar_of(self, item: Item) -> Path:
        file = self._where(item)
        return sidecar.place_of(file) if item.trashed_at is None else trash.stored_sidecar(file.parent, item.id)

    def _sidecar(self, item: Item) -> sidecar.Sidecar | None:
        return sidecar.read(self._sidecar_of(item), self._where(item))

    def _note(self, item: Item) -> None:
        """Write what somebody said beside the file too, so that the gallery can be made again from there."""
        path = self._sidecar_of(item)
        about = sidecar.read(path, self._where(item))
        if about is None:
            return
        said = replace(about.item, favourite=item.favourite, rating=item.rating)
        try:
            sidecar.write(path, replace(about, item=said))
        except OSError as error:
            log.warning("sidecar_not_written", path=str(path), reason=str(error))

    def _shown(self, item: Item) -> ItemShown:
        return shown(item, has_picture=self._workshop.has_picture(item.kind, item.mime))
