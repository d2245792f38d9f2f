"""The policy is fair: no job starves, none gets more than its share, priority and place are obeyed."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from backend.downloads.schedule import Lane, choose


@dataclass
class Simulated:
    """A job of the simulation: files that wait, files under way, the number of its last turn."""

    waiting: int
    under_way: int = 0
    last_turn: int = 0


def start_next(jobs: dict[str, Simulated], turn: int, priority: dict[str, int] | None = None) -> str | None:
    lanes = [
        Lane(name, (priority or {}).get(name, 0), rank, job.under_way, job.last_turn)
        for rank, (name, job) in enumerate(jobs.items())
        if job.waiting
    ]
    chosen = choose(lanes)
    if chosen is not None:
        job = jobs[chosen]
        job.waiting, job.under_way, job.last_turn = job.waiting - 1, job.under_way + 1, turn
    return chosen


def test_nobody_waits_means_nobody_is_chosen() -> None:
    """An empty queue has no next file."""
    assert choose([]) is None


@given(st.lists(st.integers(1, 30), min_size=2, max_size=8), st.integers(1, 6), st.randoms())
def test_no_job_gets_two_more_turns_than_another_that_waits(files: list[int], slots: int, random) -> None:
    """Whatever ends when: as long as two jobs have files left, their turns differ by at most what ran at once."""
    jobs = {f"job{number}": Simulated(count) for number, count in enumerate(files)}
    turns: Counter[str] = Counter(dict.fromkeys(jobs, 0))
    running: list[str] = []
    turn = 0
    while any(job.waiting for job in jobs.values()) or running:
        while len(running) < slots and (chosen := start_next(jobs, turn := turn + 1)) is not None:
            running.append(chosen)
            turns[chosen] += 1
        waiting = [name for name, job in jobs.items() if job.waiting]
        assert max((jobs[name].under_way for name in running), default=0) <= 1 or len(running) >= len(waiting)
        ended = running.pop(random.randrange(len(running)))
        jobs[ended].under_way -= 1
    assert turns == Counter({f"job{number}": count for number, count in enumerate(files)})


@given(st.lists(st.integers(1, 20), min_size=2, max_size=6))
def test_one_slot_goes_round(files: list[int]) -> None:
    """With one slot the turns go round robin: a job with files left waits at most one turn of every other."""
    jobs = {f"job{number}": Simulated(count) for number, count in enumerate(files)}
    served: list[str] = []
    for turn in range(1, sum(files) + 1):
        chosen = start_next(jobs, turn)
        assert chosen is not None
        jobs[chosen].under_way -= 1
        served.append(chosen)
    for name, count in zip(jobs, files, strict=True):
        places = [index for index, chosen in enumerate(served) if chosen == name]
        assert len(places) == count
        assert all(later - earlier <= len(files) for earlier, later in itertools.pairwise(places))


def test_priority_goes_before_fairness() -> None:
    """An urgent job takes every slot until it has nothing left to start."""
    jobs = {"patient": Simulated(3), "urgent": Simulated(3)}
    order = [start_next(jobs, turn, {"urgent": 1}) for turn in range(1, 7)]
    assert order == ["urgent"] * 3 + ["patient"] * 3


def test_the_place_in_the_queue_decides_between_equals() -> None:
    """Of jobs that had no turn yet the first is served first, and a fresh turn lets a moved job go next."""
    lanes = [Lane("b", 0, 2, 0, 0), Lane("a", 0, 1, 0, 0)]
    assert choose(lanes) == "a"
    assert choose([Lane("b", 0, 1, 0, 0), Lane("a", 0, 2, 0, 7)]) == "b"
