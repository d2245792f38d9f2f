"""One look serves everybody who asks, answers are never older than their question, and the loop stays free."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.presets.disk import DiskWatch
from backend.presets.installation import Facts, Inspector, Place, Status
from backend.presets.promises import Promises
from backend.presets.states import Snapshot, StateKeeper
from tests.presets.shelf import HOST, Job, Shelf, definition, file, partial_bytes, sha256, weights

pytestmark = pytest.mark.anyio

GOOD = weights()


class SlowInspector(Inspector):
    """An inspector that can be held up at the end of its look."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf.paths, shelf.ledger, partial_bytes)
        self.looks = 0
        self.inside = threading.Event()
        self.may_go = threading.Event()
        self.may_go.set()

    def look(self, place: Place) -> Facts:
        self.looks += 1
        facts = super().look(place)
        self.inside.set()
        assert self.may_go.wait(20)
        return facts


class Kept:
    """A keeper of one preset with one file."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf.ship(definition("a", file("a.safetensors")))
        self.eye = SlowInspector(shelf)
        self.told: list[tuple[Status | None, Status]] = []
        self.promises = Promises(shelf.updated.with_name("promised.json"))
        store = shelf.store()
        store.refresh()
        self.keeper = StateKeeper(
            store=store,
            disk=DiskWatch(shelf.paths, self.eye),
            ledger=shelf.ledger,
            downloads=shelf.queue,
            promises=self.promises,
            changed=self._changed,
        )

    def _changed(self, old: Snapshot, new: Snapshot) -> None:
        before = old.states.get("a")
        self.told.append((before.status if before else None, new.states["a"].status))

    async def status(self) -> Status:
        return (await self.keeper.fresh()).states["a"].status

    async def put(self, content: bytes = GOOD) -> Path:
        return await asyncio.to_thread(self.shelf.put, "a.safetensors", content)


@pytest.fixture
async def kept(shelf: Shelf) -> AsyncIterator[Kept]:
    made = await asyncio.to_thread(Kept, shelf)
    yield made
    made.eye.may_go.set()
    await made.keeper.close()


async def test_many_questions_are_one_look(kept: Kept):
    """Fifty clients at once cost what one costs."""
    answers = await asyncio.gather(*(kept.keeper.fresh() for _ in range(50)))
    assert kept.eye.looks == 1
    assert {answer.revision for answer in answers} == {answers[0].revision}
    await kept.keeper.fresh()
    assert kept.eye.looks == 1, "within a second nobody looks again"


async def test_our_own_changes_are_seen_at_once(kept: Kept):
    """After a change that Hearth made itself, nobody waits for the second to pass."""
    assert await kept.status() is Status.ABSENT
    await kept.put()
    kept.keeper.invalidate()
    assert await kept.status() is Status.INSTALLED_UNVERIFIED


async def test_downloads_records_and_promises_count_at_once(kept: Kept):
    """A change of any of them makes a new snapshot without waiting."""
    path = await kept.put()
    assert await kept.status() is Status.INSTALLED_UNVERIFIED
    kept.shelf.queue.active["a"] = Job("j", "a")
    kept.shelf.queue.changes += 1
    assert await kept.status() is Status.DOWNLOADING
    kept.shelf.queue.end("a")
    await kept.shelf.record(path, GOOD, verified=False)
    assert await kept.status() is Status.INSTALLED_UNVERIFIED
    await kept.promises.learn(f"{HOST}/a.safetensors", sha256(GOOD))
    assert await kept.status() is Status.INSTALLED
    await kept.promises.learn(f"{HOST}/a.safetensors", "0" * 64)
    assert await kept.status() is Status.DAMAGED


async def test_nothing_changed_is_the_same_snapshot(kept: Kept):
    """Answers stay valid as long as nothing changed; listeners hear of changes only."""
    first = await kept.keeper.fresh()
    for _ in range(3):
        kept.keeper.invalidate()
        assert await kept.keeper.fresh() is first
    assert kept.told == [(None, Status.ABSENT)]
    await kept.put()
    kept.keeper.invalidate()
    second = await kept.keeper.fresh()
    assert second.revision > first.revision
    assert kept.told[1:] == [(Status.ABSENT, Status.INSTALLED_UNVERIFIED)]


async def test_an_answer_is_never_older_than_its_question(kept: Kept):
    """Who asks while a look is under way gets the result of the next one: the first may have passed the file already."""
    kept.eye.may_go.clear()
    early = asyncio.create_task(kept.keeper.fresh())
    await asyncio.to_thread(kept.eye.inside.wait, 20)
    await kept.put()
    kept.keeper.invalidate()
    late = asyncio.create_task(kept.status())
    kept.eye.may_go.set()
    await early
    assert await late is Status.INSTALLED_UNVERIFIED


async def test_who_gives_up_takes_nothing_from_the_others(kept: Kept):
    """A cancelled question leaves the look to those who still wait."""
    kept.eye.may_go.clear()
    impatient, patient = asyncio.create_task(kept.keeper.fresh()), asyncio.create_task(kept.keeper.fresh())
    await asyncio.to_thread(kept.eye.inside.wait, 20)
    impatient.cancel()
    kept.eye.may_go.set()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert (await patient).states["a"].status is Status.ABSENT


async def test_a_failed_look_is_told_and_tried_again(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    """An error of the disk reaches whoever asks and leaves the keeper able to answer the next question."""
    broken = True
    look = kept.eye.look

    def fail(place: Place) -> Facts:
        if broken:
            raise OSError(5, "Input/output error")
        return look(place)

    monkeypatch.setattr(kept.eye, "look", fail)
    with pytest.raises(OSError, match="Input/output"):
        await kept.keeper.fresh()
    broken = False
    assert await kept.status() is Status.ABSENT


async def test_an_own_definition_written_by_hand_appears(kept: Kept):
    """The catalogue is looked at with the disk."""
    await kept.keeper.fresh()

    def write() -> None:
        from tests.presets.shelf import write_catalog

        write_catalog(kept.shelf.user, definition("mine"))

    await asyncio.to_thread(write)
    kept.keeper.invalidate()
    assert "mine" in (await kept.keeper.fresh()).states


async def test_promises_survive_a_restart_and_damage(kept: Kept, tmp_path: Path):
    """What a host promised is known after the next start; a damaged file promises nothing."""
    path = tmp_path / "config" / "promised.json"
    promises = Promises(path)
    await promises.learn("https://h/x", "a" * 64)
    version = promises.version
    await promises.learn("https://h/x", "a" * 64)
    assert promises.version == version
    again = Promises(path)
    await asyncio.to_thread(again.load)
    assert again.all() == {"https://h/x": "a" * 64}
    for content in ("", "[]", "{", '{"https://h/x": "short", "https://h/y": 1}'):
        await asyncio.to_thread(path.write_text, content)
        await asyncio.to_thread(again.load)
        assert again.all() == {}


async def test_a_question_at_the_very_end_of_a_look_starts_another(kept: Kept):
    """Between the end of a look and the news of it, an answer of that look is already too old for a new question."""
    await kept.keeper.fresh()
    for turn in range(20):
        content = weights(b"x" * (turn + 1))
        kept.keeper.invalidate()
        looking = asyncio.create_task(kept.keeper.fresh())
        await asyncio.sleep(0)
        look = kept.keeper._task
        assert look is not None
        while not look.done():
            await asyncio.sleep(0)
        kept.shelf.put("a.safetensors", content)
        kept.keeper.invalidate()
        assert (await kept.keeper.fresh()).states["a"].files[0].bytes_present == len(content)
        await looking
