"""Whose file is next: a pure policy, so that fairness can be proved without a network.

Priority first. Within one priority the job that has the fewest files under way, then the one whose last turn is longest
ago, then the place in the queue. So a preset of thirty files cannot keep a preset of one file waiting, and a job that is
moved to the front is served at the next free slot because moving also gives it a fresh turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lane:
    """One job that has a file to start.

    ``under_way`` counts its files that are being worked on; ``last_turn`` is the number of the turn at which it last
    started one, 0 before the first.
    """

    job_id: str
    priority: int
    rank: int
    under_way: int
    last_turn: int


def choose(lanes: Iterable[Lane]) -> str | None:
    """Return the job whose file is next, or None when nobody waits."""
    best = min(lanes, key=_claim, default=None)
    return None if best is None else best.job_id


def _claim(lane: Lane) -> tuple[int, int, int, int]:
    return (-lane.priority, lane.under_way, lane.last_turn, lane.rank)
