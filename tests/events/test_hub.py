"""The hub carries everything that matters to everybody who listens, and nobody can slow it."""

from __future__ import annotations

import asyncio
import time

import pytest

from backend.events import Event, Hub, documented
from backend.events import types as event_types
from backend.events.hub import MAX_PENDING

pytestmark = pytest.mark.anyio


def progress(key: str, done: int, topic: str = "downloads") -> Event:
    return Event(topic, "download.progress", key, {"done": done}, lasting=False)


def change(key: str, state: str = "", topic: str = "downloads") -> Event:
    return Event(topic, "download.changed", key, {"state": state})


async def test_lasting_events_arrive_all_and_in_order() -> None:
    """Whatever the listener does meanwhile, the numbers have no gap."""
    hub = Hub()
    with hub.subscribe(["downloads"]) as subscription:
        for number in range(MAX_PENDING):
            hub.publish(change(str(number)))
        heard = await subscription.next()

    assert [numbered.event.key for numbered in heard] == [str(number) for number in range(MAX_PENDING)]
    assert [numbered.seq for numbered in heard] == list(range(1, MAX_PENDING + 1))


async def test_of_progress_only_the_newest_counts() -> None:
    """Per topic, type and key; progress of others stays."""
    hub = Hub()
    with hub.subscribe(["downloads"]) as subscription:
        for done in range(100):
            hub.publish(progress("a", done))
        hub.publish(progress("b", 7))
        heard = await subscription.next()

    assert [(n.event.key, n.event.data["done"]) for n in heard] == [("a", 99), ("b", 7)]
    assert {numbered.seq for numbered in heard} == {0}


async def test_progress_never_turns_a_state_back() -> None:
    """Progress from before a change of the same thing is not told after it."""
    hub = Hub()
    with hub.subscribe(["downloads"], progress_interval_s=60) as subscription:
        hub.publish(progress("other", 1))
        assert [n.event.key for n in await subscription.next()] == ["other"]
        hub.publish(progress("a", 50))
        hub.publish(progress("b", 50))
        hub.publish(change("a", "completed"))
        heard = await subscription.next()
        assert [(n.event.type, n.event.key) for n in heard] == [("download.changed", "a")]
        subscription._progress_at_s = 0.0
        assert [n.event.key for n in await subscription.next()] == ["b"]


async def test_progress_is_thinned_and_served_in_turn() -> None:
    """With an interval one progress event is told at a time, each thing in its turn, always with its newest number."""
    hub = Hub()
    times: list[float] = []
    keys: list[str] = []
    with hub.subscribe(["downloads"], progress_interval_s=0.05) as subscription:
        for done in range(6):
            for key in ("a", "b", "c"):
                hub.publish(progress(key, done))
            heard = await subscription.next()
            times.append(time.monotonic())
            keys += [n.event.key for n in heard]
            assert [n.event.data["done"] for n in heard] == [done]

    assert keys == ["a", "b", "c", "a", "b", "c"]
    assert times[-1] - times[0] >= 5 * 0.05 - 0.01


async def test_a_change_does_not_wait_for_progress_to_be_due() -> None:
    """The interval thins progress only."""
    hub = Hub()
    with hub.subscribe(["downloads"], progress_interval_s=60) as subscription:
        hub.publish(progress("a", 1))
        await subscription.next()
        hub.publish(progress("a", 2))
        waiting = asyncio.create_task(subscription.next())
        await asyncio.sleep(0)
        hub.publish(change("b"))
        heard = await asyncio.wait_for(waiting, 5)

    assert [n.event.key for n in heard] == ["b"]


async def test_whoever_is_too_slow_knows_that_something_is_lost() -> None:
    """More than the bound is dropped as a whole, and after resume the listener hears everything again."""
    hub = Hub()
    with hub.subscribe(["downloads"]) as slow, hub.subscribe(["downloads"]) as quick:
        for number in range(MAX_PENDING + 1):
            hub.publish(change(str(number)))
            assert len(await quick.next()) == 1
        assert slow.lost
        assert not quick.lost
        assert await slow.next() == []
        hub.publish(change("while lost"))
        slow.resume()
        hub.publish(change("after"))
        heard = await slow.next()

    assert [n.event.key for n in heard] == ["after"]
    assert heard[0].seq == hub.sequence("downloads") == MAX_PENDING + 3


async def test_a_key_and_topics_filter() -> None:
    """A listener of one job hears nothing of others, and nothing of other topics."""
    hub = Hub()
    with hub.subscribe(["downloads", "system"], key="a") as subscription:
        hub.publish(change("b"))
        hub.publish(change("a", topic="presets"))
        hub.publish(change("a", "first"))
        heard = await subscription.next()

    assert [(n.event.topic, n.event.data["state"]) for n in heard] == [("downloads", "first")]


async def test_numbers_count_per_topic_with_and_without_listeners() -> None:
    """A reconnecting listener can tell that something happened while it was away."""
    hub = Hub()
    hub.publish(change("a"))
    hub.publish(progress("a", 1))
    hub.publish(change("a", topic="storage"))

    assert [hub.sequence(topic) for topic in ("downloads", "storage", "system")] == [1, 1, 0]


async def test_leaving_ends_the_listening() -> None:
    """Nothing is kept for somebody who left, also after a cancelled wait."""
    hub = Hub()
    with hub.subscribe(["downloads", "system"]) as subscription:
        waiting = asyncio.create_task(subscription.next())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        hub.publish(change("kept over the cancelled wait"))
        assert len(await subscription.next()) == 1
        assert hub.has_listeners("system")

    assert not hub.has_listeners("downloads")
    assert not hub.has_listeners("system")


async def test_waiting_for_a_listener() -> None:
    """Whoever measures for listeners sleeps until one of its topics has one."""
    hub = Hub()
    waiting = asyncio.create_task(hub.listened("system", "storage"))
    with hub.subscribe(["downloads"]):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
        with hub.subscribe(["storage"]):
            await asyncio.wait_for(waiting, 5)


async def test_who_wants_no_progress_gets_none_and_makes_none() -> None:
    """A listener of lasting events alone is no reason to work numbers out."""
    hub = Hub()
    with hub.subscribe(["downloads"], progress=False) as subscription:
        assert not hub.has_listeners("downloads")
        hub.publish(progress("a", 1))
        hub.publish(Event("downloads", "download.changed", "a", {}))
        assert [numbered.event.type for numbered in await asyncio.wait_for(subscription.next(), 5)] == [
            "download.changed"
        ]
        with hub.subscribe(["downloads"]):
            assert hub.has_listeners("downloads")


async def test_every_type_is_documented_with_its_topic() -> None:
    """The table of the documentation has one line for each constant."""
    constants = {
        value for name, value in vars(event_types).items() if name.isupper() and isinstance(value, str) and "." in value
    }
    rows = documented()

    assert {row[0] for row in rows} == constants
    assert len(rows) == len(constants)
    assert {row[1] for row in rows} == {*event_types.TOPICS, "logs"}  # the lines of logs have a socket of their own
    assert all(row[2].endswith((".", "`.")) for row in rows)


async def test_publishing_without_listeners_is_nearly_free() -> None:
    """A hundred thousand events that nobody hears cost less than a second, whatever the machine does besides."""
    hub = Hub()
    event = progress("a", 1)
    begin = time.process_time()
    for _ in range(100_000):
        hub.publish(event)

    assert time.process_time() - begin < 1
