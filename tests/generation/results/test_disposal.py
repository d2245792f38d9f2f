"""Throwing away can be undone, survives a crash at any instant, and never touches what should stay."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from backend.generation.results import RemovalNotFound, ResultInTheWay, ResultNotFound, store
from backend.kit.clock import utc_now
from tests.generation.results import rig
from tests.generation.results.rig import ADMIN, ALICE, BOB, House, names

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]


def snapshot(house: House) -> dict[str, bytes]:
    return {name: (house.outputs / name).read_bytes() for name in house.files()}


async def test_removing_and_restoring_is_the_identity(house: House) -> None:
    """Same bytes, same places, same entries; nothing is left in the trash."""
    kept = await house.keep({"a.png": rig.png(1), "b.json": b"{}"})
    files, items = snapshot(house), await house.all()
    removed = await house.results.disposal.remove([each.id for each in kept], ALICE)

    assert (removed.ids, removed.bytes) == ([each.id for each in items], sum(each.bytes for each in kept))
    assert (house.files(), await house.all()) == ([], [])
    assert sorted(names(await house.all(trashed=True))) == ["a.png", "b.json"]
    assert len(house.trash()) == 5, "two files, two sidecars, one manifest"
    assert removed.removal_id is not None
    assert sorted((await house.results.disposal.restore(ALICE, removal_id=removed.removal_id)).ids) == sorted(
        removed.ids
    )
    assert (snapshot(house), await house.all()) == (files, items)
    assert list((house.outputs / ".trash").iterdir()) == []
    with pytest.raises(RemovalNotFound):
        await house.results.disposal.restore(ALICE, removal_id=removed.removal_id)


async def test_what_lies_in_the_trash_can_be_looked_at(house: House) -> None:
    """Its file, its picture and how it came about."""
    (kept,) = await house.keep({"a.png": rig.png()})
    await house.results.disposal.remove([kept.id], ALICE)
    gallery = house.results.gallery

    assert (await gallery.file(kept.id, ALICE)).size_bytes == len(rig.png())
    assert (await gallery.detail(kept.id, ALICE)).making["prompt_id"] == "p1"
    assert (await gallery.thumbnail(kept.id, ALICE))[1].is_file
    assert (await gallery.say(kept.id, ALICE, rating=2)).rating == 2


async def test_single_results_come_back_alone(house: House) -> None:
    """The others of the removal stay in the trash and can come later; a second removal changes nothing."""
    first, second = await house.keep({"a.png": rig.png(1), "b.png": rig.png(2)})
    removed = await house.results.disposal.remove([first.id, second.id], ALICE)
    assert (await house.results.disposal.remove([first.id], ALICE)).removal_id is None
    await house.results.disposal.restore(ALICE, ids=[first.id])
    assert names(await house.all()) == ["a.png"]
    with pytest.raises(RemovalNotFound):
        await house.results.disposal.restore(BOB, removal_id=removed.removal_id)
    await house.results.disposal.restore(ALICE, removal_id=removed.removal_id)

    assert sorted(names(await house.all())) == ["a.png", "b.png"]
    with pytest.raises(ResultNotFound):
        await house.results.disposal.remove(["nothing"], ALICE)


async def test_nothing_is_written_over(house: House) -> None:
    """All or none: what stands in the way is named, and stays."""
    kept = await house.keep({"a.png": rig.png(1), "b.png": rig.png(2)})
    removed = await house.results.disposal.remove([each.id for each in kept], ALICE)
    (house.outputs / "2026-11/job1/01.png").write_bytes(b"mine")
    with pytest.raises(ResultInTheWay) as caught:
        await house.results.disposal.restore(ALICE, removal_id=removed.removal_id)

    assert caught.value.details["blocked"] == [str(house.outputs / "2026-11/job1/01.png")]
    assert house.files() == ["2026-11/job1/01.png"]
    assert len(await house.all(trashed=True)) == 2


async def test_emptying_is_for_good_and_for_ones_own(house: House) -> None:
    """Files, sidecars, pictures and entries go; what others threw away stays."""
    (mine,) = await house.keep({"a.png": rig.png(1)}, "job1", ALICE)
    (other,) = await house.keep({"b.png": rig.png(2)}, "job2", BOB)
    await house.results.gallery.thumbnail(mine.id, ALICE)
    await house.results.disposal.remove([mine.id, other.id], ADMIN)
    done = await house.results.disposal.empty_trash(ALICE)

    assert (done.deleted, done.bytes) == (1, mine.bytes)
    assert names(await house.all(trashed=True)) == ["b.png"]
    assert [path for path in house.outputs.rglob("*.webp") if path.is_file()] == []
    assert (await house.results.disposal.empty_trash(ADMIN)).deleted == 1
    assert (house.trash(), house.files()) == ([], [])


async def test_old_results_go_and_favourites_stay(open_house: Callable[..., Awaitable[House]]) -> None:
    """Planned, then carried out; what became a favourite in between stays; a week later the trash is emptied."""
    house = await open_house(keep_days=30)
    now = utc_now()
    old = {"finished_at": now - timedelta(days=31)}
    await house.keep({"old.png": rig.png(1)}, "job1", **old)
    (loved,) = await house.keep({"loved.png": rig.png(2)}, "job2", **old)
    (late,) = await house.keep({"late.png": rig.png(3)}, "job3", **old)
    await house.keep({"new.png": rig.png(4)}, "job4", finished_at=now - timedelta(days=29))
    await house.results.gallery.say(loved.id, ALICE, favourite=True)
    plan = await house.results.disposal.plan_retention()
    assert sorted(each.name for each in plan.expired) == ["late.png", "old.png"]
    await house.results.gallery.say(late.id, ALICE, favourite=True)
    await house.results.disposal.execute_retention(plan)
    assert sorted(names(await house.all())) == ["late.png", "loved.png", "new.png"]
    assert (await house.results.disposal.plan_retention()).due == ()

    last_week = (now - timedelta(days=8)).isoformat()
    (trashed,) = await house.all(trashed=True)
    await house.database.write(lambda c: store.mark_trashed(c, [trashed.id], trashed.removal_id or "", last_week))
    plan = await house.results.disposal.plan_retention()
    assert plan.bytes_freed == trashed.bytes
    await house.results.disposal.execute_retention(plan)
    assert (await house.all(trashed=True), house.trash()) == ([], [])


async def test_kept_for_ever_is_for_ever(house: House) -> None:
    """Without RESULTS_KEEP_DAYS nothing goes, not even from the trash."""
    (kept,) = await house.keep({"a.png": rig.png()}, finished_at=rig.NOON - timedelta(days=9999))
    await house.keep({"b.png": rig.png()}, "job2", finished_at=rig.NOON - timedelta(days=9999))
    await house.results.disposal.remove([kept.id], ALICE)
    await house.database.write(lambda c: store.mark_trashed(c, [kept.id], "x", "2001-01-01T00:00:00"))
    plan = await house.results.disposal.plan_retention()

    assert (plan.expired, plan.due) == ((), ())


async def test_the_daily_run_begins_with_the_start(open_house: Callable[..., Awaitable[House]]) -> None:
    """A Hearth that is started every day tidies every day."""
    house = await open_house()
    await house.keep({"a.png": rig.png()}, finished_at=rig.NOON - timedelta(days=9999))
    house = await open_house(keep_days=1)
    async with asyncio.timeout(20):
        while await house.all():
            await asyncio.sleep(0.01)

    assert names(await house.all(trashed=True)) == ["a.png"]


CHILD = textwrap.dedent(
    """
    import asyncio, os, pathlib, signal, sys
    from backend.database import Database
    from backend.generation.results import Results
    from tests.generation.results import rig

    workspace, verb, step = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    steps = 0

    def count(event, _arguments):
        global steps
        if event in ("os.rename", "os.remove", "os.rmdir"):
            steps += 1
            if steps == step:
                os.kill(os.getpid(), signal.SIGKILL)

    async def main():
        database = Database.open(workspace / "hearth.db")
        results = await Results.open(workspace / "outputs", database, hash_of=lambda *_: None)
        house = rig.House(results, workspace / "outputs", database, rig.Shelf())
        kept = await house.keep({"a.png": rig.png(1), "b.png": rig.png(2)})
        ids = [each.id for each in kept]
        if verb == "restore":
            await results.disposal.remove(ids, rig.ALICE)
        sys.addaudithook(count)
        await (results.disposal.remove(ids, rig.ALICE) if verb == "remove" else results.disposal.restore(rig.ALICE, ids=ids))
        os._exit(0)

    asyncio.run(main())
    """
)


@pytest.mark.parametrize("verb", ["remove", "restore"])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 6])
async def test_a_killed_move_loses_nothing(verb: str, step: int, workspace: Path) -> None:
    """SIGKILL before any rename: after the next start the entries say what the disk says, and both results can be had."""
    from backend.database import Database
    from backend.generation.results import Results

    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(workspace), verb, str(step), cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert await child.wait() in (-signal.SIGKILL, 0)
    database = await asyncio.to_thread(Database.open, workspace / "hearth.db")
    results = await Results.open(workspace / "outputs", database, hash_of=lambda *_: None)
    house = rig.House(results, workspace / "outputs", database, rig.Shelf())
    try:
        placed, trashed = await house.all(), await house.all(trashed=True)
        assert sorted(names([*placed, *trashed])) == ["a.png", "b.png"]
        for each in (*placed, *trashed):
            assert (await results.gallery.file(each.id, ALICE)).size_bytes == each.bytes
            assert (await results.gallery.detail(each.id, ALICE)).making["prompt_id"] == "p1"
        if trashed:
            await results.disposal.restore(ALICE, ids=[each.id for each in trashed])
        assert house.files() == [f"2026-11/job1/{name}" for name in ("01.json", "01.png", "02.json", "02.png")]
        assert [
            path for path in (house.outputs / ".trash").rglob("*") if path.suffix != ".tmp" and path.is_file()
        ] == []
    finally:
        await results.close()
        await asyncio.to_thread(database.close)
