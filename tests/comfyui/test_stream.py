"""The WebSocket: flags first, a fresh id for every connection, and always another connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from backend.comfyui import ComfyUIUnreachable, Stream, new_prompt_id
from backend.comfyui.messages import Connected, Disconnected, FeatureFlags, Message, Preview, Status
from tests.comfyui.conftest import FAST_STREAM, Desk
from tests.comfyui.graphs import slow
from tests.live import free_port

pytestmark = pytest.mark.anyio


async def _until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def test_flags_are_answered_before_it_is_ready(desk: Desk) -> None:
    """Previews therefore come with the id of their prompt from the first one on."""
    heard: list[Message] = []
    desk.stream.listen(heard.append)
    graph = slow(1, steps=2, seconds=0.02)
    prompt_id = new_prompt_id()
    await desk.client.submit(graph, prompt_id=prompt_id, client_id=desk.stream.client_id)
    await _until(lambda: [each for each in heard if isinstance(each, Preview)])

    assert all(each.prompt_id == prompt_id for each in heard if isinstance(each, Preview))


async def test_every_connection_has_an_id_of_its_own(desk: Desk) -> None:
    """The server would forget a newer socket when an older one with the same id closes."""
    ids: list[str] = []
    desk.stream.listen(lambda message: ids.append(message.client_id) if isinstance(message, Connected) else None)
    first = desk.stream.client_id
    for count in (1, 2, 3):
        desk.relay.cut()
        await _until(lambda count=count: len(ids) == count)

    assert len({first, *ids}) == 4
    assert [seen.query for seen in desk.comfyui.requests if seen.path == "/ws"] == [
        f"clientId={each}" for each in (first, *ids)
    ]


async def test_what_stands_between_two_connections_is_told(desk: Desk) -> None:
    """Disconnected, then Connected, then the greeting: whoever listens knows when it may have missed something."""
    heard: list[Message] = []
    desk.stream.listen(heard.append)
    desk.relay.cut()
    await _until(lambda: any(isinstance(each, FeatureFlags) for each in heard))

    assert [type(each) for each in heard] == [Disconnected, Connected, Status, FeatureFlags]


async def test_a_half_open_connection_is_replaced(desk: Desk) -> None:
    """No byte comes and no close: the pings go unanswered, and the connection counts as dead."""
    lost = asyncio.Event()
    desk.stream.listen(lambda message: lost.set() if isinstance(message, Disconnected) else None)
    desk.relay.freeze()
    async with asyncio.timeout(10):
        await lost.wait()
    assert desk.stream.client_id is None
    desk.relay.thaw()

    assert await desk.stream.ready(10)


async def test_no_origin_is_sent(desk: Desk) -> None:
    """ComfyUI refuses foreign ones; neither the handshake nor a request has any."""
    await desk.client.queue()

    assert not any("origin" in seen.headers for seen in desk.comfyui.requests)


async def test_without_a_server_it_says_so_and_goes_on_trying() -> None:
    """Waiting for a connection ends in an error; the stream itself never gives up."""
    stream = Stream(f"http://127.0.0.1:{free_port()}", pace=FAST_STREAM)
    stream.start()
    with pytest.raises(ComfyUIUnreachable):
        await stream.ready(0.3)
    await stream.close()


async def test_a_restart_is_survived(desk: Desk) -> None:
    """The server ends and comes back on the same port; the stream is there again by itself."""
    first = desk.stream.client_id
    await asyncio.to_thread(desk.comfyui.restart)
    await _until(lambda: desk.stream.client_id not in (None, first))
    await _until(lambda: desk.stream.client_id in desk.comfyui.clients)
