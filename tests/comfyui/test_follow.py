"""An execution is told as it happens: who runs, how far it is, what it showed, how it ended."""

from __future__ import annotations

import asyncio

import pytest

from backend.comfyui import (
    Ended,
    Ending,
    Interrupted,
    NodeError,
    NodesCached,
    NodeStarted,
    OutOfMemory,
    PreviewImage,
    Produced,
    Progress,
    Queued,
    Started,
    Step,
    Watch,
    new_prompt_id,
)
from backend.comfyui.progress import NodeSaid
from tests.comfyui.conftest import Desk
from tests.comfyui.graphs import blocking, failing, save, single, slow

pytestmark = pytest.mark.anyio


async def _walk(watch: Watch) -> list[Progress]:
    return [progress async for progress in watch]


async def test_a_run_is_told_from_the_queue_to_the_files(desk: Desk) -> None:
    """Started, the node by its title, steps, previews, the output, the end: in this order."""
    graph = slow()
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        told = [each for each in await _walk(watch) if not isinstance(each, Queued)]

    assert isinstance(told[0], Started)
    assert told[1] == NodeStarted("1", "TestSlowProgress", "Dream slowly")
    assert [each.value for each in told if isinstance(each, Step)] == [1, 2, 3, 4, 5]
    previews = [each for each in told if isinstance(each, PreviewImage)]
    assert len(previews) == 5
    assert all(each.node_id == "1" and each.image.startswith(b"\xff\xd8") for each in previews)
    end = told[-1]
    assert isinstance(end, Ended)
    assert end.outcome.ending is Ending.SUCCEEDED
    assert [file.type for output in end.outcome.outputs for file in output.files] == ["temp"]
    assert watch.snapshot.ratio == 1.0


async def test_a_cached_rerun_says_that_its_files_are_old(desk: Desk) -> None:
    """An identical prompt runs no node and writes no file; its output carries the old name and the mark of a cache."""
    graph = save(7)
    outcomes = []
    for _ in range(2):
        with desk.follower.watch(new_prompt_id(), graph) as watch:
            await watch.submit(graph)
            told = await _walk(watch)
            assert isinstance(told[-1], Ended)
            outcomes.append(told[-1].outcome)

    first, second = outcomes
    assert not first.outputs[0].is_cached
    assert second.outputs[0].is_cached
    assert second.outputs[0].files == first.outputs[0].files
    assert second.cached_nodes == ("1", "2")
    assert any(isinstance(each, NodesCached) for each in told)
    assert not any(isinstance(each, NodeStarted) for each in told)
    assert [each.output.is_cached for each in told if isinstance(each, Produced)] == [True]


async def test_a_node_error_names_the_node_and_no_folder(desk: Desk) -> None:
    """Title, class, exception and a short traceback; the server's folders stay out."""
    graph = failing("ValueError", "cannot read /opt/secret/place/model.bin")
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        outcome = await watch.outcome()

    error = outcome.error
    assert outcome.ending is Ending.FAILED
    assert type(error) is NodeError
    assert (error.node_id, error.class_type, error.title) == ("2", "TestFail", "Break on purpose")
    assert error.exception_type == "ValueError"
    assert "/opt" not in str(error.as_dict())
    assert error.traceback[-1].startswith('File "custom_nodes/test_nodes/__init__.py", line 74')


async def test_out_of_memory_has_an_error_of_its_own(desk: Desk) -> None:
    """So that whoever dispatches may free memory and try once more."""
    graph = failing("OOM", "CUDA out of memory (simulated)")
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        outcome = await watch.outcome()

    assert isinstance(outcome.error, OutOfMemory)
    assert outcome.error.retryable


async def test_a_running_execution_is_cancelled(desk: Desk) -> None:
    """It ends as interrupted, and the one behind it runs."""
    long, next_one = slow(2, steps=500, seconds=50), save(11)
    with desk.follower.watch(new_prompt_id(), long) as watch, desk.follower.watch(new_prompt_id(), next_one) as behind:
        await watch.submit(long)
        await behind.submit(next_one)
        async for progress in watch:
            if isinstance(progress, Step):
                await watch.cancel()
                break
        outcome = await watch.outcome()
        after = await behind.outcome()

    assert outcome.ending is Ending.INTERRUPTED
    assert isinstance(outcome.error, Interrupted)
    assert after.is_success


async def test_a_waiting_execution_is_cancelled_without_a_trace(desk: Desk) -> None:
    """ComfyUI keeps nothing of it; because we asked for that, it counts as interrupted and not as lost."""
    desk.comfyui.hold()
    blocker, waiting = slow(3), save(12)
    with (
        desk.follower.watch(new_prompt_id(), blocker) as first,
        desk.follower.watch(new_prompt_id(), waiting) as second,
    ):
        await first.submit(blocker)
        await second.submit(waiting)
        async for progress in second:
            assert progress == Queued(1)
            break
        await second.cancel()
        outcome = await second.outcome()
        desk.comfyui.release()
        await first.outcome()

    assert outcome.ending is Ending.INTERRUPTED


async def test_a_node_that_blocks_ends_before_it_is_stopped(desk: Desk) -> None:
    """An interrupt acts between steps only; the error then names the node that would have come next."""
    graph = blocking()
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        async for progress in watch:
            if isinstance(progress, NodeStarted):
                break
        await watch.cancel()
        outcome = await watch.outcome()

    assert outcome.ending is Ending.INTERRUPTED
    assert outcome.error is not None
    assert outcome.error.details["class_type"] == "PreviewImage"


async def test_texts_of_nodes_arrive(desk: Desk) -> None:
    """Frames of type 3 name no prompt; they belong to the one that runs."""
    graph = single("TestTextProgress", text="hello from node")
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        told = await _walk(watch)

    assert NodeSaid("1", "hello from node") in told
    assert [each.output.texts for each in told if isinstance(each, Produced)] == [("hello from node",)]


async def test_two_hundred_prompts_end(desk: Desk) -> None:
    """All of them, once each, in the order in which they were sent."""

    async def one(number: int) -> str:
        graph = save(1000 + number)
        with desk.follower.watch(new_prompt_id(), graph) as watch:
            await watch.submit(graph)
            return (await watch.outcome()).outputs[0].files[0].filename

    names = await asyncio.gather(*(one(number) for number in range(200)))

    assert len(set(names)) == 200
    assert len(desk.comfyui.prompts) == 200
