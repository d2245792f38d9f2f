"""How long past runs took, by their shape."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from backend.generation.store.tables import timings


def load_timings(connection: Connection) -> dict[str, tuple[float, int]]:
    """Return mean seconds and number of runs by shape."""
    return {row.shape: (row.mean_s, row.runs) for row in connection.execute(select(timings))}


def save_timings(connection: Connection, known: Mapping[str, tuple[float, int]]) -> None:
    """Keep mean seconds and number of runs of some shapes."""
    for shape, (mean_s, runs) in known.items():
        values = {"shape": shape, "mean_s": mean_s, "runs": runs}
        connection.execute(insert(timings).values(values).on_conflict_do_update(index_elements=["shape"], set_=values))
