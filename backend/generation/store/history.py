"""What people have taken out of the history that they are told."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, String, literal, select
from sqlalchemy.dialects.sqlite import insert

from backend.generation.job import ENDED
from backend.generation.store.tables import hidden, jobs

_PART = 500  # fit into one statement


def hide(connection: Connection, viewer_id: str, owner_id: str | None, job_ids: Sequence[str] | None) -> None:
    """Leave jobs that have ended out of the history of *viewer_id*.

    Args:
        owner_id: Whose jobs the viewer sees; None means everybody's.
        job_ids: Which of them; None means all that have ended by now.
    """
    if job_ids is None:
        _hide(connection, viewer_id, owner_id, [])
        return
    for start in range(0, len(job_ids), _PART):
        _hide(connection, viewer_id, owner_id, [jobs.c.id.in_(job_ids[start : start + _PART])])


def is_hidden(connection: Connection, viewer_id: str, job_id: str) -> bool:
    """Tell whether *viewer_id* took a job out of the history."""
    here = (hidden.c.owner_id == viewer_id) & (hidden.c.job_id == job_id)
    return connection.execute(select(hidden.c.job_id).where(here)).first() is not None


def is_listed(viewer_id: str) -> ColumnElement[bool]:
    """Return the condition on jobs that *viewer_id* did not take out of the history."""
    return jobs.c.id.not_in(select(hidden.c.job_id).where(hidden.c.owner_id == viewer_id))


def _hide(
    connection: Connection, viewer_id: str, owner_id: str | None, conditions: Sequence[ColumnElement[bool]]
) -> None:
    ended = [jobs.c.state.in_([str(state) for state in ENDED]), *conditions]
    if owner_id is not None:
        ended.append(jobs.c.owner_id == owner_id)
    found = select(literal(viewer_id, String), jobs.c.id).where(*ended)
    connection.execute(insert(hidden).from_select(["owner_id", "job_id"], found).on_conflict_do_nothing())
