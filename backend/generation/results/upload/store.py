"""The statements on what is to be uploaded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError as StoreFailed

from backend.errors import JSON
from backend.generation.results.item import Item
from backend.generation.results.remote import RemoteState
from backend.generation.results.store import find, gallery_items, reason, result_uploads

__all__ = ["Connection", "StoreFailed", "reason"]

_c = result_uploads.c
_WAITS = _c.state == RemoteState.WAITING.value


@dataclass(frozen=True, slots=True)
class Upload:
    """One result that waits; ``attempts`` have failed, the next is due at ``due_at``."""

    item: Item
    attempts: int
    due_at: str


def enqueue(
    connection: Connection, job_id: str, url_of: Callable[[str], str], now: str, problem: Mapping[str, JSON] | None
) -> None:
    """Note every result of a job as one to be uploaded; those that are noted already stay as they are.

    Args:
        problem: What keeps everything from being uploaded at the moment.
    """
    common = {"state": RemoteState.WAITING.value, "attempts": 0, "due_at": now, "problem": problem}
    found = connection.execute(select(gallery_items.c.id, gallery_items.c.path).where(gallery_items.c.job_id == job_id))
    rows = [{"item_id": row.id, "url": url_of(row.path), **common} for row in found]
    if rows:
        connection.execute(insert(result_uploads).on_conflict_do_nothing(index_elements=["item_id"]), rows)


def renew(connection: Connection, now: str) -> None:
    """Let everything that is not uploaded be due now, also what was given up."""
    values = {"state": RemoteState.WAITING.value, "attempts": 0, "due_at": now}
    connection.execute(update(result_uploads).where(_c.state != RemoteState.UPLOADED.value).values(values))


def upcoming(connection: Connection, besides: Collection[str], limit: int) -> list[Upload]:
    """Return at most *limit* uploads that wait, the next one first; what lies in the trash waits until it is back.

    Args:
        besides: Ids to leave out.
    """
    query = (
        select(_c.item_id, _c.attempts, _c.due_at)
        .join(gallery_items, gallery_items.c.id == _c.item_id)
        .where(_c.due_at.is_not(None), gallery_items.c.trashed_at.is_(None), _c.item_id.not_in([*besides]))
        .order_by(_c.due_at)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    items = {item.id: item for item in find(connection, [row.item_id for row in rows], None)}
    return [Upload(items[row.item_id], row.attempts, row.due_at) for row in rows if row.item_id in items]


def record_uploaded(connection: Connection, item_id: str, url: str, now: str) -> None:
    """Note that a result is where it belongs."""
    _set(connection, item_id, state=RemoteState.UPLOADED.value, url=url, due_at=None, problem=None, uploaded_at=now)


def record_failure(
    connection: Connection, item_id: str, *, attempts: int, due_at: str | None, problem: Mapping[str, JSON]
) -> None:
    """Note why an attempt failed and when the next is due; None: it was the last."""
    state = RemoteState.FAILED if due_at is None else RemoteState.WAITING
    _set(connection, item_id, state=state.value, attempts=attempts, due_at=due_at, problem=dict(problem))


def tell_all(connection: Connection, problem: Mapping[str, JSON]) -> None:
    """Note a problem that keeps everything from being uploaded."""
    connection.execute(update(result_uploads).where(_WAITS).values(problem=dict(problem)))


def recover(connection: Connection, now: str) -> None:
    """Let everything that waits be due now: what kept it is over."""
    connection.execute(update(result_uploads).where(_WAITS).values(due_at=now, problem=None))


def count(connection: Connection) -> dict[RemoteState, int]:
    """Return how many results are in each state."""
    found = dict.fromkeys(RemoteState, 0)
    for row in connection.execute(select(_c.state, func.count().label("number")).group_by(_c.state)):
        found[RemoteState(row.state)] = row.number
    return found


def _set(connection: Connection, item_id: str, **values: Any) -> None:  # Any: columns of every type
    connection.execute(update(result_uploads).where(_c.item_id == item_id).values(values))
