"""The small parts of the engine, each by itself."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.downloads.errors import BadAnswer, ConnectionLost, SourceChanged
from backend.downloads.transfer.facts import SourceFacts
from backend.downloads.transfer.pieces import FIRST_PIECE_BYTES, Pieces
from backend.downloads.transfer.ranges import Ranges
from backend.downloads.transfer.retry import Patience, Setback, StartOver, retry_after_s
from backend.downloads.transfer.tuner import Sample, Tuner
from backend.kit.clock import monotonic_s

MIB = 1 << 20
SIZES = st.integers(min_value=0, max_value=60)


@given(st.lists(st.tuples(SIZES, SIZES)))
def test_ranges_are_the_set_of_their_bytes(pairs: list[tuple[int, int]]) -> None:
    """However ranges are added, they are sorted, disjoint, and hold exactly the bytes that were added."""
    ranges, present = Ranges(), set[int]()
    for start, stop in pairs:
        ranges.add(start, stop)
        present |= set(range(start, stop))
    held = ranges.snapshot()
    assert {byte for start, stop in held for byte in range(start, stop)} == present
    assert all(a[1] < b[0] for a, b in pairwise(held))
    assert ranges.total == len(present)
    assert ranges.end == max(present, default=-1) + 1
    assert ranges.prefix == next(n for n in range(100) if n not in present)
    missing = {byte for start, stop in ranges.gaps(70) for byte in range(start, stop)}
    assert missing == set(range(70)) - present


@given(st.integers(min_value=1, max_value=400 * MIB), st.integers(min_value=1, max_value=16), st.floats(0, 1e9))
def test_pieces_cover_the_file_exactly(size: int, connections: int, speed: float) -> None:
    """Every byte is handed out once, whatever the speed and the number of connections."""
    pieces = Pieces(None, [])
    first = pieces.take_first(whole=False)
    first.fit(size, whole=False)
    pieces.learn_size(size, first, whole=False)
    covered = Ranges()
    current = first
    while current is not None:
        assert Ranges(covered.snapshot()).total + current.stop - current.start == covered.total + current.left
        covered.add(current.start, current.stop)
        current.position = current.stop
        pieces.end(current)
        current = pieces.take(speed_bytes_s=speed, connections=connections)
    assert pieces.done
    assert covered.snapshot() == ((0, size),)


def test_a_piece_that_ends_early_is_handed_out_again() -> None:
    """What a broken connection did not bring is the next to be fetched."""
    pieces = Pieces(10 * MIB, [(0, 10 * MIB)])
    first = pieces.take_first(whole=False)
    assert (first.start, first.stop) == (0, FIRST_PIECE_BYTES)
    first.position = 1000
    pieces.end(first)
    again = pieces.take(speed_bytes_s=0, connections=1)
    assert again is not None
    assert again.start == 1000


def test_pieces_that_are_given_back_end_within_a_block() -> None:
    """The one nearest to the beginning runs on; what the others do not bring is handed out again."""
    pieces = Pieces(300 * MIB, [(0, 300 * MIB)])
    taken = [pieces.take(speed_bytes_s=1e8, connections=3) for _ in range(3)]
    first, second, third = (piece for piece in taken if piece is not None)
    second.position += 5 * MIB + 7
    stop_of_first = first.stop
    pieces.keep(1)
    pieces.keep(1)
    assert first.stop == stop_of_first
    assert second.stop == second.start + 6 * MIB
    assert third.stop == third.start + MIB
    second.position, third.position = second.stop, third.stop
    pieces.end(second)
    pieces.end(third)
    again = pieces.take(speed_bytes_s=1e9, connections=1)
    assert again is not None
    assert again.start == second.stop


def tune(tuner: Tuner, speed_of: dict[int, float], seconds: float, *, waiting: float = 0.9) -> list[int]:
    """Let a tuner watch a link whose speed depends on the number of connections; return the targets it chose.

    ``waiting`` is the share of the time in which nothing but the link kept bytes from coming.
    """
    now, received, targets = 0.0, 0.0, []
    while now < seconds:
        tuner.take(Sample(now, int(received), now * waiting, 1 << 40), share=16, round_trip_s=0.01)
        targets.append(tuner.target)
        now += 0.25
        received += speed_of.get(tuner.target, max(speed_of.values())) * 0.25
    return targets


def test_connections_are_added_while_they_pay() -> None:
    """A host that limits each connection gets as many as are allowed, within a second."""
    targets = tune(Tuner(8, 1), {n: n * 5e6 for n in range(1, 9)}, 1.25)
    assert targets[-1] == 8


def test_the_second_connection_shows_whether_more_are_worth_it() -> None:
    """Nobody opens eight connections before two were faster than one."""
    targets = tune(Tuner(8, 1), {1: 50e6, 2: 70e6, 4: 70e6, 8: 70e6}, 20.0)
    assert 8 not in targets
    assert targets.count(2) > 0.8 * len(targets)


def test_connections_that_do_not_pay_are_given_back() -> None:
    """A line that one connection fills keeps one; the trial is repeated ever more rarely."""
    targets = tune(Tuner(8, 1), {1: 100e6, 2: 101e6}, 60.0)
    assert targets.count(1) > 0.93 * len(targets)
    assert targets.count(2) > 0
    assert max(targets) == 2


def test_connections_that_harm_are_given_back_at_once() -> None:
    """A trial that makes the file slower is over after half a second."""
    targets = tune(Tuner(8, 1), {1: 100e6, 2: 90e6}, 3.0)
    assert targets.count(2) == 2


def test_a_file_that_does_not_wait_for_its_line_keeps_one_connection() -> None:
    """Where the disk, the hash or the processor are the limit, more connections cannot help."""
    assert max(tune(Tuner(8, 1), {n: n * 5e6 for n in range(1, 9)}, 20.0, waiting=0.2)) == 1


def test_a_crowded_host_keeps_what_works() -> None:
    """After a 429 no more connections than were working at that moment are tried for a while."""
    tuner = Tuner(8, 8)
    tuner.crowded(2, 0.0)
    assert max(tune(tuner, {n: n * 5e6 for n in range(1, 9)}, 50.0)) == 2


def setback(**facts: object) -> Setback:
    return Setback(ConnectionLost("gone"), **facts)  # type: ignore[arg-type]


def test_failures_without_progress_are_counted_and_those_with_are_not() -> None:
    """Three retries mean four failures in a row; a mebibyte of progress begins the count anew."""
    patience = Patience(3, 0.001)
    for reached in range(10):
        patience.wait_s(setback(), began_at=monotonic_s(), reached_bytes=reached * MIB)
    for _ in range(2):
        patience.wait_s(setback(), began_at=monotonic_s(), reached_bytes=9 * MIB)
    with pytest.raises(ConnectionLost):
        patience.wait_s(setback(), began_at=monotonic_s(), reached_bytes=9 * MIB)


def test_connections_that_break_together_are_one_failure() -> None:
    """Eight requests of one dropped line do not use up three retries."""
    patience, began_at = Patience(3, 0.001), monotonic_s()
    for _ in range(8):
        patience.wait_s(setback(), began_at=began_at, reached_bytes=0)


def test_pauses_grow_and_honour_the_host() -> None:
    """Exponential, with jitter in the upper half; what the host asks for is the least."""
    patience = Patience(5, 1.0)
    waits = [patience.wait_s(setback(), began_at=monotonic_s(), reached_bytes=0) for _ in range(3)]
    assert all(low <= wait <= 2 * low for low, wait in zip([0.5, 1.0, 2.0], waits, strict=True))
    assert patience.wait_s(setback(wait_s=100.0), began_at=monotonic_s(), reached_bytes=0) == 100.0


def test_a_new_link_is_tried_at_once() -> None:
    """An expired signature is nobody's fault: the first renewal does not wait."""
    assert Patience(3, 1.0).wait_s(setback(relink=True), began_at=monotonic_s(), reached_bytes=0) == 0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "Tue, 03 Nov 2015 10:00:09 GMT", "date": "Tue, 03 Nov 2015 10:00:00 GMT"}, 9.0),
        ({"retry-after": "Tue, 03 Nov 2015 10:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Tue, 03 Nov 2015", "date": "yesterday"}, None),
        ({"ratelimit": '"resolvers";r=0;t=55'}, 55.0),
        ({}, None),
    ],
)
def test_what_a_host_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, a date against the host's own clock, or the hub's rate limit."""
    assert retry_after_s(headers) == seconds


def facts(**known: object) -> SourceFacts:
    return SourceFacts("id", None, None, content_addressed=False, **known)  # type: ignore[arg-type]


def test_only_what_is_strong_proves() -> None:
    """A strong ETag, or a date that RFC 9110 calls strong; not a weak ETag, not a date of the same second."""
    strong = {"etag": '"a"'}
    weak = {"etag": 'W/"a"'}
    dated = {"last-modified": "Tue, 03 Nov 2026 10:00:00 GMT", "date": "Tue, 03 Nov 2026 12:00:00 GMT"}
    fresh = {**dated, "date": "Tue, 03 Nov 2026 10:00:01 GMT"}
    proven = []
    for headers in (strong, weak, dated, fresh, {}):
        known = facts()
        known.take(200, {"content-length": "5", **headers}, 0)
        proven.append(known.validator)
    assert proven == ['"a"', None, dated["last-modified"], None, None]


def test_a_dated_file_that_changes_is_noticed() -> None:
    """Without an ETag the date is compared."""
    known = facts()
    known.take(206, {"content-range": "bytes 0-4/10", "last-modified": "Tue, 03 Nov 2026 10:00:00 GMT"}, 0)
    with pytest.raises(StartOver) as changed:
        known.take(206, {"content-range": "bytes 5-9/10", "last-modified": "Tue, 03 Nov 2026 11:00:00 GMT"}, 5)
    assert isinstance(changed.value.error, SourceChanged)


def test_a_length_that_nobody_tells_leads_to_a_plain_stream() -> None:
    """``bytes 0-4/*`` may be the beginning of anything."""
    with pytest.raises(StartOver) as unknown:
        facts().take(206, {"content-range": "bytes 0-4/*"}, 0)
    assert unknown.value.plain
    assert isinstance(unknown.value.error, BadAnswer)
