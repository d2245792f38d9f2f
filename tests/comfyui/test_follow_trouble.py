"""Whatever ComfyUI and the network do, every execution that was sent is known to be over, or known to be lost."""

from __future__ import annotations

import asyncio

import pytest

from backend.comfyui import (
    ComfyUIStuck,
    ComfyUIUnreachable,
    Ended,
    Ending,
    Lost,
    NodeStarted,
    PreviewImage,
    Progress,
    Queued,
    Step,
    Unheard,
    Watch,
    new_prompt_id,
)
from tests.comfyui.conftest import Desk
from tests.comfyui.graphs import failing, save, slow

pytestmark = pytest.mark.anyio


async def _walk(watch: Watch) -> list[Progress]:
    return [progress async for progress in watch]


async def test_frames_before_the_answer_are_not_missed(desk: Desk) -> None:
    """The watch is registered before sending, so an execution that is over before POST answers is followed whole."""
    desk.comfyui.traps.frames_before_answer = True
    graph = save(8)
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        told = await _walk(watch)

    assert any(isinstance(each, NodeStarted) for each in told)
    assert isinstance(told[-1], Ended)
    assert told[-1].outcome.is_success


async def test_history_that_comes_late_is_waited_for(desk: Desk) -> None:
    """The record appears some time after "success"; until then the execution is neither over nor lost."""
    desk.comfyui.traps.history_lag_s = 0.4
    graph = save(9)
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        outcome = await watch.outcome()

    assert outcome.is_success
    assert outcome.outputs[0].files


async def test_without_terminal_frames_the_history_is_found(desk: Desk) -> None:
    """Messages are only a hint: an execution whose end nobody announces ends all the same."""
    desk.comfyui.traps.silent_endings = True
    graph = save(10)
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)

        assert (await watch.outcome()).is_success


async def test_an_interrupt_that_comes_too_early_is_sent_again(desk: Desk) -> None:
    """A server that just begins forgets an interrupt; the execution is stopped nevertheless."""
    desk.comfyui.traps.forgets_early_interrupt = True
    desk.comfyui.hold()
    graph = slow(4, steps=500, seconds=50)
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        while (await desk.client.queue()).position(watch.prompt_id) != 0:
            await asyncio.sleep(0.01)
        await watch.cancel()
        desk.comfyui.release()

        assert (await watch.outcome()).ending is Ending.INTERRUPTED


async def test_a_restarted_server_has_lost_everything(desk: Desk) -> None:
    """What ran and what waited is in neither queue nor history: lost, which may be sent again."""
    desk.comfyui.hold()
    running, waiting = slow(5), save(13)
    with (
        desk.follower.watch(new_prompt_id(), running) as first,
        desk.follower.watch(new_prompt_id(), waiting) as second,
    ):
        await first.submit(running)
        await second.submit(waiting)
        await asyncio.to_thread(desk.comfyui.restart)
        outcomes = [await first.outcome(), await second.outcome()]

    assert [each.ending for each in outcomes] == [Ending.LOST, Ending.LOST]
    assert all(isinstance(each.error, Lost) for each in outcomes)


async def test_a_broken_connection_does_not_lose_the_result(desk: Desk) -> None:
    """The socket is cut in the middle: the reader hears of that, and of the end all the same."""
    graph = slow(6, steps=40, seconds=1.2)
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        told: list[Progress] = []
        async for progress in watch:
            told.append(progress)
            if isinstance(progress, Step) and progress.value == 3:
                desk.relay.cut()

    assert any(isinstance(each, Unheard) for each in told)
    assert isinstance(told[-1], Ended)
    assert told[-1].outcome.is_success


async def test_a_half_open_connection_is_noticed(desk: Desk) -> None:
    """Nothing comes and nothing is closed: the ping finds out, another connection is made, the result is found."""
    graph = slow(7, steps=20, seconds=2.0)
    first_id = desk.stream.client_id
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        desk.relay.freeze()
        told: list[Progress] = []
        async for progress in watch:
            told.append(progress)
            if isinstance(progress, Unheard):
                desk.relay.thaw()

    assert isinstance(told[-1], Ended)
    assert told[-1].outcome.is_success
    assert await desk.stream.ready(10) != first_id


async def test_a_dead_worker_behind_a_healthy_port_is_found(desk: Desk) -> None:
    """Prompts wait and nothing runs: the walk says that ComfyUI is stuck instead of waiting for ever."""
    desk.comfyui.kill_worker()
    graph = save(14)
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        with pytest.raises(ComfyUIStuck):
            await watch.outcome()


async def test_a_worker_that_died_in_a_node_is_found(desk: Desk) -> None:
    """The prompt stays "running" for ever, without a sign: stuck after the time that was set."""
    graph = failing("SystemExit")
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        with pytest.raises(ComfyUIStuck):
            await watch.outcome()


async def test_a_worker_whose_death_is_in_the_log_is_found_at_once(desk: Desk) -> None:
    """The prompt stays "running", and nobody waits until the silence has lasted too long."""
    graph = slow(9, steps=1000, seconds=60)
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        async for progress in watch:
            if isinstance(progress, Step):
                desk.comfyui.kill_worker()
                break
        with pytest.raises(ComfyUIStuck, match="as its log says"):
            await watch.outcome()


async def test_a_server_that_is_gone_for_long_is_reported(desk: Desk) -> None:
    """Nobody knows what became of the execution, so the walk raises; a later watch can still find out."""
    desk.comfyui.hold()
    graph = slow(8, steps=3, seconds=0.1)
    prompt_id = new_prompt_id()
    with desk.follower.watch(prompt_id, graph) as watch:
        await watch.submit(graph)
        desk.relay.refuse()
        with pytest.raises(ComfyUIUnreachable):
            await watch.outcome()
    desk.relay.refuse(False)
    desk.comfyui.release()

    with desk.follower.watch(prompt_id, graph) as again:
        again.attach()
        assert (await again.outcome()).is_success


async def test_an_execution_of_an_earlier_life_is_followed(desk: Desk) -> None:
    """After a restart of our own the watch attaches to what was sent before, which may be over already."""
    graph = save(15)
    prompt_id = new_prompt_id()
    await desk.client.submit(graph, prompt_id=prompt_id, client_id="somebody-else")
    with desk.follower.watch(prompt_id) as watch:
        watch.attach()
        outcome = await watch.outcome()

    assert outcome.is_success
    assert outcome.outputs[0].files[0].filename.startswith("empty_")


async def test_an_answer_that_got_lost_does_not_send_twice(desk: Desk) -> None:
    """The connection breaks between sending and answer: the prompt is found in the queue, and runs once."""
    desk.comfyui.traps.frames_before_answer = True
    graph = slow(9, steps=10, seconds=0.3)
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        sending = asyncio.create_task(watch.submit(graph))
        async for progress in watch:
            if isinstance(progress, Step):
                desk.relay.cut()
                break
        await sending
        outcome = await watch.outcome()

    assert outcome.is_success
    assert len(desk.comfyui.prompts) == 1


async def test_a_prompt_without_a_connection_is_not_told_to_everybody(desk: Desk) -> None:
    """While there is no connection, a prompt goes out under an id that nobody has, and is followed by looking."""
    await desk.stream.close()
    graph = save(16)
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)

        assert (await watch.outcome()).is_success
    assert desk.comfyui.prompts[0]["client_id"]


async def test_previews_of_others_are_not_mine(desk: Desk) -> None:
    """Prompts without a client id are told to every socket; they change nothing for an execution of ours."""
    desk.comfyui.hold()
    stranger = slow(10, steps=3, seconds=0.05)
    await desk.client.submit(stranger, prompt_id=new_prompt_id())
    graph = save(17)
    with desk.follower.watch(new_prompt_id(), graph) as watch:
        await watch.submit(graph)
        desk.comfyui.release()
        told = await _walk(watch)

    assert not any(isinstance(each, PreviewImage | Step) for each in told)
    assert [each.position for each in told if isinstance(each, Queued)][:1] in ([1], [])
