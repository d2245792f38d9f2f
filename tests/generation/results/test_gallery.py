"""The gallery finds what was made, page by page, and shows everybody what is theirs."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.database import Database
from backend.generation.results import (
    GalleryQuery,
    InvalidGalleryQuery,
    Kind,
    ResultGone,
    ResultNotFound,
    kinds_of,
    moment,
    store,
    words_of,
)
from backend.generation.results.archive import stream_zip
from backend.generation.results.item import Item, result_id, stamp
from backend.generation.results.query import Cursor
from backend.generation.results.words import prompt_of
from tests.generation.results import rig
from tests.generation.results.rig import ADMIN, ALICE, BOB, NOON, House, names

pytestmark = pytest.mark.anyio


def item(number: int, **facts: Any) -> Item:
    """An entry whose facts follow from its number."""
    job_id = f"job{number // 4}"
    known = Item(
        id=result_id(job_id, str(number)), job_id=job_id, owner_id=("alice", "bob")[number % 2], key=str(number), take=0,
        place=number % 4 + 1, kind=tuple(Kind)[number % 5], mime="image/png", name=f"{number}.png",
        path=f"2026-11/{job_id}/{number}.png", size_bytes=1, sha256=f"{number:064}", width=1, height=1, title="T",
        created_at=stamp(NOON + timedelta(hours=number // 6)), workflow_id=("flux", "sdxl", None)[number % 3],
        models=(f"m{number % 4}", "shared"), words=f"a picture of {('fog', 'ünicorn')[number % 2]} {number % 7}",
        favourite=number % 5 == 0, rating=number % 6,
    )  # fmt: skip
    return replace(known, **facts)


def matches(each: Item, query: GalleryQuery) -> bool:
    """The filters in plain Python."""
    return all((
        not query.kinds or each.kind in query.kinds,
        query.workflow is None or each.workflow_id == query.workflow,
        query.model is None or query.model in each.models,
        query.job is None or each.job_id == query.job,
        query.since is None or each.created_at >= query.since,
        query.until is None or each.created_at < query.until,
        query.favourite is None or each.favourite == query.favourite,
        each.rating >= query.min_rating,
        all(word in each.words for word in query.words),
        query.trashed == (each.trashed_at is not None),
    ))  # fmt: skip


MOMENTS = st.integers(0, 12).map(lambda hour: stamp(NOON + timedelta(hours=hour)))
QUERIES = st.builds(
    GalleryQuery,
    kinds=st.lists(st.sampled_from(Kind), max_size=3, unique=True).map(tuple),
    workflow=st.none() | st.sampled_from(["flux", "sdxl", "none"]),
    model=st.none() | st.sampled_from(["m0", "m3", "shared", "none"]),
    job=st.none() | st.sampled_from(["job0", "job3"]),
    since=st.none() | MOMENTS,
    until=st.none() | MOMENTS,
    favourite=st.none() | st.booleans(),
    min_rating=st.integers(0, 5),
    words=st.lists(st.sampled_from(["fog", "ünicorn", "picture", "3", "%"]), max_size=2).map(tuple),
    trashed=st.booleans(),
)
FILLED = [item(number, trashed_at=stamp(NOON) if number % 7 == 0 else None) for number in range(60)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Sixty entries of two owners."""
    database = Database.open(tmp_path_factory.mktemp("gallery") / "hearth.db")
    database.write_sync(lambda connection: store.save(connection, FILLED))
    yield database
    database.close()


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES, owner=st.sampled_from([None, "alice", "bob"]), limit=st.integers(1, 13))
def test_pages_hold_every_match_once(query: GalleryQuery, owner: str | None, limit: int, filled: Database) -> None:
    """Whatever is asked, the pages together are the matches, newest first, none twice and none missing."""
    expected = [each for each in FILLED if matches(each, query) and owner in (None, each.owner_id)]
    expected.sort(key=lambda each: (each.created_at, each.job_id, each.place), reverse=True)
    found: list[Item] = []
    cursor: Cursor | None = None
    while True:
        page, total = filled.read_sync(lambda c, at=cursor: store.page(c, query, owner, at, limit))
        assert total == len(expected)
        assert len(page) <= limit
        found += page
        if len(page) < limit:
            break
        cursor = Cursor.decode(Cursor.behind(page[-1]).encode())

    assert found == expected


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES, owner=st.sampled_from([None, "alice", "bob"]))
def test_the_newer_one_is_the_one_before(query: GalleryQuery, owner: str | None, filled: Database) -> None:
    """Walking back meets every match once, and counts those before it."""
    found, _ = filled.read_sync(lambda c: store.page(c, query, owner, None, 100))
    for place, each in enumerate(found):
        newer = filled.read_sync(lambda c, at=each: store.newer(c, query, owner, Cursor.behind(at)))
        assert newer == (found[place - 1].id if place else None, place)


async def test_what_made_results_can_be_asked_for(house: House) -> None:
    """Workflows by title and models by name, of what one may see and did not throw away; neighbours likewise."""
    mine = [
        await house.keep({f"{n}.png": rig.png(n)}, f"job{n}", finished_at=NOON + timedelta(hours=n)) for n in (1, 2, 3)
    ]
    await house.keep({"b.png": rig.png(4)}, "job4", BOB, finished_at=NOON + timedelta(hours=2))
    gallery = house.results.gallery
    makers = await gallery.makers(ALICE)
    assert makers.workflows == [("flux", "Title")]
    assert makers.models == sorted(makers.models)
    beside = await gallery.neighbours(mine[1][0].id, GalleryQuery(), ALICE)
    assert (beside.newer, beside.older, beside.place, beside.total) == (mine[2][0].id, mine[0][0].id, 2, 3)
    await house.results.disposal.remove([each.id for (each,) in mine], ALICE)
    assert await gallery.makers(ALICE) == replace(makers, workflows=[], models=[])
    with pytest.raises(ResultNotFound):
        await gallery.neighbours(mine[1][0].id, GalleryQuery(), BOB)


async def test_several_become_favourites_at_once(house: House) -> None:
    """On the disk too; what is somebody else's stays as it is."""
    (mine,) = await house.keep({"a.png": rig.png(1)}, "job1", ALICE)
    (other,) = await house.keep({"b.png": rig.png(2)}, "job2", BOB)
    gallery = house.results.gallery
    assert await gallery.favour([mine.id, other.id], ALICE, favourite=True) == 1
    await house.results.disposal.rebuild()
    assert [each.favourite for each in await house.all(ALICE) + await house.all(BOB)] == [True, False]
    with pytest.raises(ResultNotFound):
        await gallery.favour([other.id], ALICE, favourite=True)


async def test_what_arrives_while_somebody_reads_moves_nothing(house: House) -> None:
    """A newer result does not push an older one onto the next page once more."""
    for number in range(4):
        await house.keep({f"{number}.png": rig.png(number)}, f"job{number}", finished_at=NOON + timedelta(hours=number))
    first = await house.results.gallery.page(GalleryQuery(), ADMIN, None, 2)
    await house.keep({"new.png": rig.png(9)}, "job9", finished_at=NOON + timedelta(hours=9))
    second = await house.results.gallery.page(GalleryQuery(), ADMIN, first.next, 2)

    assert names([*first.items, *second.items]) == ["3.png", "2.png", "1.png", "0.png"]
    assert (first.total, second.total, second.next) == (4, 5, None)


@settings(max_examples=200)
@given(st.text(max_size=60) | st.binary(max_size=40).map(lambda data: data.hex()))
def test_a_foreign_cursor_is_refused(text: str) -> None:
    """Never an error of the server, never another page."""
    with contextlib.suppress(InvalidGalleryQuery):
        cursor = Cursor.decode(text)
        assert Cursor.decode(cursor.encode()) == cursor


def test_filters_say_what_they_do_not_know() -> None:
    """Kinds, days and lengths."""
    assert kinds_of("image, video,image") == (Kind.IMAGE, Kind.VIDEO)
    assert words_of("  FOG ünicorn fog ") == ("fog", "ünicorn")
    assert moment("until", "2026-11-24", end_of_day=True) == "2026-11-25T00:00:00.000000+00:00"
    assert moment("since", "2026-11-24T13:00:00 01:00") == "2026-11-24T12:00:00.000000+00:00"
    assert moment("since", "2026-11-24T12:00:00") == "2026-11-24T12:00:00.000000+00:00"
    for call in (
        lambda: kinds_of("image,paper"), lambda: words_of("x" * 201), lambda: moment("since", "yesterday"),
        lambda: moment("until", "9999-12-31", end_of_day=True),
    ):  # fmt: skip
        with pytest.raises(InvalidGalleryQuery):
            call()


async def test_everybody_sees_what_is_theirs(house: House) -> None:
    """What is somebody else's does not exist, for any of the verbs; who administers sees everything."""
    (mine,) = await house.keep({"a.png": rig.png(1)}, "job1", ALICE)
    (other,) = await house.keep({"b.png": rig.png(2)}, "job2", BOB)
    gallery, disposal = house.results.gallery, house.results.disposal

    assert names(await house.all(ALICE)) == ["a.png"]
    assert sorted(names(await house.all(ADMIN))) == ["a.png", "b.png"]
    for attempt in (
        lambda: gallery.detail(other.id, ALICE), lambda: gallery.file(other.id, ALICE),
        lambda: gallery.thumbnail(other.id, ALICE), lambda: gallery.request(other.id, ALICE),
        lambda: gallery.say(other.id, ALICE, favourite=True), lambda: gallery.archive([other.id], ALICE),
        lambda: disposal.remove([other.id], ALICE),
    ):  # fmt: skip
        with pytest.raises(ResultNotFound):
            await attempt()
    removed = await disposal.remove([mine.id, other.id], ALICE)
    assert removed.ids == [mine.id]
    assert (await disposal.empty_trash(BOB)).deleted == 0
    assert names(await house.all(BOB)) == ["b.png"]


async def test_an_opinion_is_kept_on_disk_too(open_house: Callable[..., Awaitable[House]], house: House) -> None:
    """So that a gallery that is made again from the disk knows it."""
    (kept,) = await house.keep({"a.png": rig.png()})
    await house.results.gallery.say(kept.id, ALICE, favourite=True)
    said = await house.results.gallery.say(kept.id, ALICE, rating=5)
    assert (said.favourite, said.rating) == (True, 5)
    await house.database.write(lambda connection: store.forget(connection, [kept.id]))
    (again,) = await (await open_house()).all()

    assert again == said


async def test_the_gallery_is_made_again_from_the_disk(house: House) -> None:
    """Entries, trash and all; what has lost its file goes, what only looks like a sidecar is none."""
    (kept,) = await house.keep({"a.png": rig.png(1)}, "job1")
    (trashed,) = await house.keep({"b.txt": b"Text"}, "job2", BOB)
    (lost,) = await house.keep({"c.png": rig.png(3)}, "job3")
    removal = await house.results.disposal.remove([trashed.id], BOB)
    forged = {**rig.sidecar(house, "2026-11/job1/01.png"), "id": "f" * 24, "owner_id": "bob"}
    await house.keep({"d.json": json.dumps(forged).encode()}, "job4")
    before = await house.all(), await house.all(trashed=True)
    (house.outputs / "2026-11/job3/01.png").unlink()
    (house.outputs / "2026-11/job1/02.json").write_text(json.dumps(forged))
    (house.outputs / "2026-11/job1/03.json").write_text(json.dumps({**forged, "path": "../../x"}))
    (house.outputs / "2026-11/job1/04.json").write_text("[" * 10_000)
    done = await house.results.disposal.rebuild()
    assert (done.found, done.added, done.dropped) == (3, 0, 1)
    await house.database.write(lambda c: store.forget(c, store.every_id(c)))
    done = await house.results.disposal.rebuild()

    assert (done.found, done.added, done.dropped) == (3, 3, 0)
    assert (await house.all(), await house.all(trashed=True)) == (
        [each for each in before[0] if each.id != lost.id], before[1],
    )  # fmt: skip
    assert (await house.results.disposal.restore(BOB, removal_id=removal.removal_id)).ids == [trashed.id]
    assert kept.id in [each.id for each in await house.all(ALICE)]


async def test_a_result_tells_how_to_make_it_again(house: House) -> None:
    """By its workflow with inputs and seed, or exactly by its graph."""
    (kept,) = await house.keep({"a.png": rig.png()})
    gallery = house.results.gallery

    assert await gallery.request(kept.id, ALICE) == {"workflow_id": "flux", "inputs": {"steps": 4}, "seed": 2**64 - 1}
    exact = await gallery.request(kept.id, ALICE, exact=True)
    assert (exact["prompt"], exact["seed"]) == (rig.GRAPH, 2**64 - 1)
    assert (await gallery.detail(kept.id, ALICE)).making["node_s"] == {"4": 1.25}
    (house.outputs / "2026-11/job1/01.json").unlink()
    assert (await gallery.detail(kept.id, ALICE)).making == {}
    with pytest.raises(ResultGone):
        await gallery.request(kept.id, ALICE)


def test_the_prompt_is_what_was_asked_for() -> None:
    """The input of that name, else what leads into `positive`, else every text that does not lead into `negative`."""
    plain = {"1": {"class_type": "X", "inputs": {"text": "only", "other": "no"}}}

    assert prompt_of(rig.GRAPH, {"prompt": " given "}) == "given"
    assert prompt_of(rig.GRAPH, {}) == "a Ünicorn in fog"
    assert prompt_of(plain, {}) == "only"
    assert prompt_of({"1": "no node", "2": {"inputs": ["no"]}, "3": {"inputs": {"positive": ["3", 0]}}}, {}) == ""


async def test_an_archive_holds_what_was_chosen(house: House) -> None:
    """Distinct names, whole contents, nothing of what is gone, and never more than a piece in memory."""
    large = bytes(1_000_000)
    first = await house.keep({"a.png": rig.png(1), "b.bin": large}, "job1")
    second = await house.keep({"A.png": rig.png(2), "gone.png": rig.png(3)}, "job2")
    (house.outputs / "2026-11/job2/02.png").unlink()
    walk = await house.results.gallery.archive([each.id for each in (*first, *second)], ALICE)
    pieces = await asyncio.to_thread(list, walk)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))

    assert max(len(piece) for piece in pieces) < 300_000
    assert archive.testzip() is None
    assert sorted(archive.namelist(), key=str.casefold) in (
        ["a (2).png", "A.png", "b.bin"],
        ["A (2).png", "a.png", "b.bin"],
    )
    assert archive.read("b.bin") == large


def test_an_archive_of_more_than_memory_is_only_pieces(tmp_path: Path) -> None:
    """A sparse file of 5 GiB needs ZIP64 and comes in pieces; the first ones are looked at."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(5 << 30)
    pieces = stream_zip([(item(1, name="large.bin"), path)])

    assert all(len(next(pieces)) < 300_000 for _ in range(8))


async def test_a_hundred_thousand_results_stay_fast(database: Database) -> None:
    """Any page and any filter within a second on a busy machine; usually some hundredths."""
    some = [store._values(item(number, words="a picture of fog " * 10)) for number in range(60)]
    values = [
        {**some[n % 60], "id": f"{n:024}", "job_id": f"job{n:06}", "created_at": stamp(NOON + timedelta(minutes=n))}
        for n in range(100_000)
    ]
    models = [{"name": f"m{number % 8}", "item_id": row["id"]} for number, row in enumerate(values)]
    await database.write(lambda c: c.execute(store.gallery_items.insert(), values))
    await database.write(lambda c: c.execute(store.gallery_models.insert(), models))
    deep = Cursor(values[10]["created_at"], "job000010", 1)
    seconds: dict[str, float] = {}
    for name, query, owner, after in (
        ("first", GalleryQuery(), None, None), ("own", GalleryQuery(), "alice", None),
        ("last", GalleryQuery(), "bob", deep), ("workflow", GalleryQuery(workflow="flux"), "alice", None),
        ("model", GalleryQuery(model="m3"), None, None), ("no match", GalleryQuery(words=("nothing",)), "alice", None),
        ("kinds", GalleryQuery(kinds=(Kind.IMAGE, Kind.VIDEO), min_rating=5, favourite=True), None, None),
    ):  # fmt: skip
        began = time.perf_counter()
        await database.read(lambda c, q=query, o=owner, a=after: store.page(c, q, o, a, 60))
        seconds[name] = time.perf_counter() - began

    assert {name: taken for name, taken in seconds.items() if taken > 1} == {}
