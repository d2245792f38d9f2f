"""The tables of the gallery, and the few statements on them. Its items can be made again from the sidecars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError as StoreFailed

from backend.database import metadata
from backend.generation.results.item import Item, Kind
from backend.generation.results.query import Cursor, GalleryQuery
from backend.generation.results.remote import RemoteCopy, RemoteState

gallery_items = Table(
    "gallery_items",
    metadata,
    Column("id", String, primary_key=True),
    Column("job_id", String, nullable=False),
    Column("key", String, nullable=False),
    Column("owner_id", String, nullable=False),
    Column("take", Integer, nullable=False),
    Column("place", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("mime", String, nullable=False),
    Column("name", String, nullable=False),
    Column("path", String, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("duration_s", Float),
    Column("title", String, nullable=False),
    Column("workflow_id", String),
    Column("workflow_version", String),
    Column("seed", String),  # text: seeds of ComfyUI are 64 bits without a sign, more than SQLite's integer holds
    Column("backend", String),
    Column("source", String, nullable=False),
    Column("favourite", Boolean, nullable=False),
    Column("rating", Integer, nullable=False),
    Column("trashed_at", String),
    Column("removal_id", String),
    # The long columns come last: filters that stop before them read fewer pages.
    Column("words", String, nullable=False),
    Column("prompt", String, nullable=False),
    Column("text", String),
    UniqueConstraint("job_id", "key"),
)
_c = gallery_items.c
_LIVE = _c.trashed_at.is_(None)
Index("ix_gallery_items_newest", _c.created_at, _c.job_id, _c.place, sqlite_where=_LIVE)
Index("ix_gallery_items_newest_of_owner", _c.owner_id, _c.created_at, _c.job_id, _c.place, sqlite_where=_LIVE)
Index("ix_gallery_items_newest_of_workflow", _c.workflow_id, _c.created_at, _c.job_id, _c.place, sqlite_where=_LIVE)
Index("ix_gallery_items_newest_of_kind", _c.kind, _c.created_at, _c.job_id, _c.place, sqlite_where=_LIVE)
Index("ix_gallery_items_removal_id", _c.removal_id)

gallery_models = Table(
    "gallery_models",
    metadata,
    Column("name", String, primary_key=True),
    Column("item_id", String, ForeignKey("gallery_items.id", ondelete="CASCADE"), primary_key=True, index=True),
)

# What is to be copied into a bucket, and what was; see ``upload``. The only table here that sidecars cannot bring back.
result_uploads = Table(
    "result_uploads",
    metadata,
    Column("item_id", String, ForeignKey("gallery_items.id", ondelete="CASCADE"), primary_key=True),
    Column("url", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", String, index=True),  # None: uploaded, or given up
    Column("problem", JSON(none_as_null=True)),
    Column("uploaded_at", String),
)

_ORDER = (_c.created_at.desc(), _c.job_id.desc(), _c.place.desc())
_HANDFUL = 1000
_PEOPLE_SAY = ("favourite", "rating", "trashed_at", "removal_id")  # no second collection changes these


def reason(error: StoreFailed) -> str:
    """Say in the database's own words why a statement failed: a full disk, a read-only file."""
    return str(getattr(error, "orig", None) or error).rstrip(".")


def save(connection: Connection, items: Iterable[Item]) -> None:
    """Keep *items*; of those that are there already, what people said about them stays."""
    statement = insert(gallery_items)
    changes = {column.name: column for column in statement.excluded if column.name not in _PEOPLE_SAY}
    statement = statement.on_conflict_do_update(index_elements=[_c.id], set_=changes)
    for item in items:
        connection.execute(statement, _values(item))
        connection.execute(delete(gallery_models).where(gallery_models.c.item_id == item.id))
        if item.models:
            connection.execute(
                insert(gallery_models), [{"name": name, "item_id": item.id} for name in dict.fromkeys(item.models)]
            )


def enter(connection: Connection, items: Sequence[Item]) -> None:
    """Keep *items* as they lie on the disk: also what the table took for trashed is in its place."""
    save(connection, items)
    mark_restored(connection, [item.id for item in items if item.trashed_at is None])


def replace_take(connection: Connection, job_id: str, take: int, items: Sequence[Item]) -> None:
    """Keep *items* as all that one execution made; what an earlier attempt at it left behind is forgotten."""
    is_stale = (_c.job_id == job_id, _c.take == take, _c.id.not_in([item.id for item in items]))
    connection.execute(delete(gallery_items).where(*is_stale))
    save(connection, items)


def find(connection: Connection, ids: Collection[str], owner_id: str | None) -> list[Item]:
    """Return those of *ids* that *owner_id* may see; None sees all."""
    found: list[Item] = []
    for some in _handfuls(ids):
        found += _items(connection, select(gallery_items).where(_c.id.in_(some), *_owned(owner_id)).order_by(*_ORDER))
    return found


def page(
    connection: Connection, query: GalleryQuery, owner_id: str | None, after: Cursor | None, limit: int
) -> tuple[list[Item], int]:
    """Return at most *limit* items, newest first, that come after the cursor, and how many match on all pages."""
    conditions = [*_owned(owner_id), *_conditions(query)]
    total = connection.execute(select(func.count()).select_from(gallery_items).where(*conditions)).scalar_one()
    if after is not None:
        conditions.append(
            tuple_(_c.created_at, _c.job_id, _c.place) < tuple_(after.created_at, after.job_id, after.place)
        )
    return _items(connection, select(gallery_items).where(*conditions).order_by(*_ORDER).limit(limit)), total


def newer(connection: Connection, query: GalleryQuery, owner_id: str | None, than: Cursor) -> tuple[str | None, int]:
    """Return the next newer item that matches, and how many are newer in all."""
    place = tuple_(_c.created_at, _c.job_id, _c.place)
    conditions = [
        *_owned(owner_id), *_conditions(query), place > tuple_(than.created_at, than.job_id, than.place),
    ]  # fmt: skip
    nearest = select(_c.id).where(*conditions).order_by(_c.created_at, _c.job_id, _c.place).limit(1)
    count = connection.execute(select(func.count()).select_from(gallery_items).where(*conditions)).scalar_one()
    return connection.execute(nearest).scalar(), count


def workflows_seen(connection: Connection, owner_id: str | None, limit: int) -> list[tuple[str, str]]:
    """Return id and title of the workflows that made something, by title."""
    title = func.max(_c.title)  # one of the names that it has had
    asked = select(_c.workflow_id, title).where(*_owned(owner_id), _LIVE, _c.workflow_id.is_not(None))
    found = connection.execute(asked.group_by(_c.workflow_id).order_by(func.lower(title)).limit(limit))
    return [(workflow_id, name) for workflow_id, name in found]


def models_seen(connection: Connection, owner_id: str | None, limit: int) -> list[str]:
    """Return the names of the models that made something, in their order."""
    name = gallery_models.c.name
    asked = select(name).join(gallery_items, _c.id == gallery_models.c.item_id).where(*_owned(owner_id), _LIVE)
    return list(connection.execute(asked.group_by(name).order_by(func.lower(name)).limit(limit)).scalars())


def say(connection: Connection, ids: Collection[str], facts: dict[str, bool | int]) -> None:
    """Keep what somebody said about items: ``favourite``, ``rating``."""
    for some in _handfuls(ids):
        connection.execute(update(gallery_items).where(_c.id.in_(some)).values(**facts))


def mark_trashed(connection: Connection, ids: Collection[str], removal_id: str, trashed_at: str) -> None:
    """Note that *ids* lie in the trash."""
    values = {"removal_id": removal_id, "trashed_at": trashed_at}
    for some in _handfuls(ids):
        connection.execute(update(gallery_items).where(_c.id.in_(some)).values(values))


def mark_restored(connection: Connection, ids: Collection[str]) -> None:
    """Note that *ids* are back in their places."""
    for some in _handfuls(ids):
        connection.execute(update(gallery_items).where(_c.id.in_(some)).values(removal_id=None, trashed_at=None))


def forget(connection: Connection, ids: Collection[str]) -> None:
    """Drop items; their files are no longer there."""
    for some in _handfuls(ids):
        connection.execute(delete(gallery_items).where(_c.id.in_(some)))


def trashed(connection: Connection, owner_id: str | None, removal_id: str | None = None) -> list[Item]:
    """Return what lies in the trash, of one removal or of all."""
    conditions = [_c.trashed_at.is_not(None), *_owned(owner_id)]
    if removal_id is not None:
        conditions.append(_c.removal_id == removal_id)
    return _items(connection, select(gallery_items).where(*conditions).order_by(*_ORDER))


def trashed_before(connection: Connection, moment: str) -> list[Item]:
    """Return what went to the trash before *moment*."""
    return _items(connection, select(gallery_items).where(_c.trashed_at < moment))


def made_before(connection: Connection, moment: str) -> list[Item]:
    """Return what was made before *moment*, is no favourite and not in the trash."""
    return _items(connection, select(gallery_items).where(_LIVE, _c.created_at < moment, _c.favourite.is_(False)))


def every_id(connection: Connection) -> set[str]:
    """Return the id of every item."""
    return set(connection.execute(select(_c.id)).scalars())


def _owned(owner_id: str | None) -> list[ColumnElement[bool]]:
    return [] if owner_id is None else [_c.owner_id == owner_id]


def _conditions(query: GalleryQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_c.trashed_at.is_not(None) if query.trashed else _LIVE]
    if query.kinds:
        found.append(_c.kind.in_([str(kind) for kind in query.kinds]))
    if query.workflow is not None:
        found.append(_c.workflow_id == query.workflow)
    if query.job is not None:
        found.append(_c.job_id == query.job)
    if query.model is not None:
        having = select(gallery_models.c.item_id).where(gallery_models.c.name == query.model)
        found.append(_c.id.in_(having))
    if query.since is not None:
        found.append(_c.created_at >= query.since)
    if query.until is not None:
        found.append(_c.created_at < query.until)
    if query.favourite is not None:
        found.append(_c.favourite.is_(query.favourite))
    if query.min_rating:
        found.append(_c.rating >= query.min_rating)
    found.extend(func.instr(_c.words, word) > 0 for word in query.words)
    return found


def _items(connection: Connection, query: Select[Any]) -> list[Item]:
    rows: Sequence[Row[Any]] = connection.execute(query).all()
    models: defaultdict[str, list[str]] = defaultdict(list)
    copies: dict[str, RemoteCopy] = {}
    for some in _handfuls([row.id for row in rows]):
        having = select(gallery_models).where(gallery_models.c.item_id.in_(some)).order_by(gallery_models.c.name)
        for row in connection.execute(having):
            models[row.item_id].append(row.name)
        for row in connection.execute(select(result_uploads).where(result_uploads.c.item_id.in_(some))):
            copies[row.item_id] = RemoteCopy(row.url, RemoteState(row.state), row.problem)
    return [_item(row, tuple(models[row.id]), copies.get(row.id)) for row in rows]


def _handfuls(ids: Collection[str]) -> Iterator[list[str]]:
    """Part *ids* into lists that one statement can hold (SQLite takes 32,766 values)."""
    every = list(ids)
    for start in range(0, len(every), _HANDFUL):
        yield every[start : start + _HANDFUL]


def _values(item: Item) -> dict[str, Any]:
    names = [column.name for column in gallery_items.columns]
    values = {name: getattr(item, name) for name in names}
    return {**values, "kind": str(item.kind), "seed": None if item.seed is None else str(item.seed)}


def _item(row: Row[Any], models: tuple[str, ...], remote: RemoteCopy | None) -> Item:
    values: dict[str, Any] = {column.name: getattr(row, column.name) for column in gallery_items.columns}
    values["kind"] = Kind(values["kind"])
    values["seed"] = None if values["seed"] is None else int(values["seed"])
    return Item(**values, models=models, remote=remote)
