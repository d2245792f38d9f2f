"""Whoever listens hears of every workflow that comes, changes or goes, however it does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backend.events import Event, Hub, Subscription
from backend.generation.workflows import WorkflowLibrary
from backend.generation.workflows.watch import WorkflowWatch
from tests.generation.workflows.desk import PNG, content

pytestmark = pytest.mark.anyio

_DEADLINE_S = 20


@pytest.fixture
async def hub(anyio_backend: object) -> Hub:
    return Hub()


async def first_look(watch: WorkflowWatch) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while watch._known is None:
            await asyncio.sleep(0.001)


@asynccontextmanager
async def watching(library: WorkflowLibrary, hub: Hub, look_every_s: float) -> AsyncGenerator[Subscription]:
    """Listen, with a watch that has seen how things are."""
    watch = WorkflowWatch(library, hub, look_every_s=look_every_s)
    task = asyncio.create_task(watch.run())
    try:
        await first_look(watch)
        with hub.subscribe(["workflows"]) as heard:
            yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
async def heard(library: WorkflowLibrary, hub: Hub) -> AsyncIterator[Subscription]:
    """What is told of changes that Hearth makes: at once, for the next look at the disk is an hour away."""
    async with watching(library, hub, 3600) as subscription:
        yield subscription


async def told(heard: Subscription) -> list[tuple[str, str]]:
    """Wait for the next events; return their types and ids."""
    async with asyncio.timeout(_DEADLINE_S):
        events: list[Event] = [numbered.event for numbered in await heard.next()]
    assert all(event.topic == "workflows" and event.data["id"] == event.key and event.lasting for event in events)
    return [(event.type, event.key) for event in events]


async def test_what_hearth_changes_is_told_at_once(library: WorkflowLibrary, heard: Subscription):
    """New, saved, with a picture, renamed, deleted, restored."""
    await asyncio.to_thread(library.create, "One", content(1))
    assert await told(heard) == [("workflow.changed", "one")]
    await asyncio.to_thread(library.save, "one", content(2))
    assert await told(heard) == [("workflow.changed", "one")]
    await asyncio.to_thread(library.set_thumbnail, "one", PNG)
    assert await told(heard) == [("workflow.changed", "one")]
    await asyncio.to_thread(library.rename, "one", "Two")
    assert await told(heard) == [("workflow.removed", "one"), ("workflow.changed", "two")]
    await asyncio.to_thread(library.delete, "two")
    assert await told(heard) == [("workflow.removed", "two")]
    await asyncio.to_thread(library.restore, "two")
    assert await told(heard) == [("workflow.changed", "two")]


async def test_saving_the_same_is_no_change(library: WorkflowLibrary, heard: Subscription):
    """The next real change is the first that is told."""
    await asyncio.to_thread(library.create, "One", content(1))
    assert await told(heard) == [("workflow.changed", "one")]
    await asyncio.to_thread(library.save, "one", content(1))
    await asyncio.to_thread(library.create, "Two", content(1))
    assert await told(heard) == [("workflow.changed", "two")]


async def test_what_others_put_into_the_folder_is_noticed(root: Path, library: WorkflowLibrary, hub: Hub):
    """Written, changed and taken away behind Hearth's back."""
    root.mkdir()
    async with watching(library, hub, 0.02) as heard:
        path = root / "By hand.json"
        await asyncio.to_thread(path.write_text, json.dumps(content(1)))
        assert set(await told(heard)) == {("workflow.changed", "by-hand")}
        await asyncio.to_thread(path.unlink)
        while ("workflow.removed", "by-hand") not in (events := await told(heard)):
            assert set(events) == {("workflow.changed", "by-hand")}  # a look between opening and writing the file


async def test_nobody_looks_while_nobody_listens(library: WorkflowLibrary, hub: Hub):
    """What changed meanwhile is told to the first who does."""
    watch = WorkflowWatch(library, hub, look_every_s=0.001)
    task = asyncio.create_task(watch.run())
    try:
        await first_look(watch)
        await asyncio.to_thread(library.create, "One", content(1))
        assert watch._known == {}
        with hub.subscribe(["workflows"]) as heard:
            assert await told(heard) == [("workflow.changed", "one")]
    finally:
        task.cancel()
        await asyncio.wait([task])
