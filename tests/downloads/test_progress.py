"""Numbers for people: speed, time left, and a bar that never goes back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.downloads.progress import HighWater, Speedometer, ratio, time_left_s


def steady(speed: int, seconds: float, step: float = 0.25) -> Speedometer:
    meter = Speedometer(100.0, 0)
    for number in range(1, int(seconds / step) + 1):
        meter.sample(100.0 + number * step, int(number * step * speed))
    return meter


def test_a_steady_transfer_shows_its_speed() -> None:
    """What flows evenly is shown as it flows."""
    assert steady(1_000_000, 20).speed_bytes_s(120.0) == pytest.approx(1_000_000, rel=0.01)


def test_half_of_the_weight_is_younger_than_three_seconds() -> None:
    """A transfer that stops loses half of its speed in about 3 s and all of it in 10 s."""
    meter = steady(1_000_000, 20)
    for number in range(1, 13):
        meter.sample(120.0 + number * 0.25, 20_000_000)
    assert meter.speed_bytes_s(123.0) == pytest.approx(444_000, rel=0.05)
    meter.sample(130.5, 20_000_000)
    assert meter.speed_bytes_s(130.5) == 0


def test_there_is_no_time_left_in_the_first_three_seconds() -> None:
    """Early guesses are wrong by hours, so there are none; nor without a speed or a size."""
    meter = steady(1000, 10)
    assert meter.eta_s(102.9, 5000) is None
    assert meter.eta_s(110.0, None) is None
    assert meter.eta_s(110.0, 5500) == 6
    assert time_left_s(10, 0.0) is None


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10**12)), min_size=1))
def test_progress_never_goes_back_within_an_attempt(seen: list[tuple[int, int]]) -> None:
    """A lost tail of a connection is not shown; a file that begins anew is."""
    water = HighWater()
    attempts = sorted(seen, key=lambda pair: pair[0])
    shown = [(attempt, water.reached(value, attempt)) for attempt, value in attempts]
    for (before, low), (after, high) in itertools.pairwise(shown):
        assert before != after or high >= low


@pytest.mark.parametrize(
    ("done", "total", "complete", "expected"),
    [(0, 100, False, 0.0), (50, 100, False, 0.5), (100, 100, False, 0.99), (7, None, False, None), (7, None, True, 1)],
)
def test_the_bar_stops_at_99_percent_until_verified(done, total, complete, expected) -> None:
    """Every byte is there, but nobody has checked them yet."""
    assert ratio(done, total, complete=complete) == expected
