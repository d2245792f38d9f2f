"""A simulated ComfyUI, and what Hearth uses to speak to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.comfyui import ComfyUIClient, Follower, FollowPace, Stream, StreamPace
from tests.contracts.test_comfyui_runs import stocked
from tests.fakes.comfyui import Relay, SimulatedComfyUI

# Fast enough for tests, slow enough for a busy machine.
FAST = FollowPace(
    calm_s=0.3,
    eager_s=0.1,
    stopping_s=0.05,
    first_look_s=0.05,
    idle_s=1.0,
    worry_s=0.5,
    silence_s=3.0,
    deaf_s=20.0,
    unreachable_s=4.0,
)
FAST_STREAM = StreamPace(ping_s=0.2, silence_s=1.0, open_s=2, flags_s=1, backoff_base_s=0.05, backoff_cap_s=0.2)


@dataclass
class Desk:
    """One ComfyUI and everything that follows it; ``relay`` stands between the two."""

    comfyui: SimulatedComfyUI
    relay: Relay
    client: ComfyUIClient
    stream: Stream
    follower: Follower


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[SimulatedComfyUI]:
    """A simulated ComfyUI 0.3.64 that has the files of the recorded graphs."""
    with SimulatedComfyUI(stocked(tmp_path)) as server:
        yield server


@pytest.fixture
def relay(comfyui: SimulatedComfyUI) -> Iterator[Relay]:
    """A way to it that can break."""
    with Relay(comfyui.port) as between:
        yield between


@pytest.fixture
async def client(relay: Relay) -> AsyncIterator[ComfyUIClient]:
    """A client behind the relay."""
    opened = ComfyUIClient(relay.url)
    yield opened
    await opened.aclose()


@pytest.fixture
async def desk(comfyui: SimulatedComfyUI, relay: Relay, client: ComfyUIClient) -> AsyncIterator[Desk]:
    """Everything, started, with a connection that stands."""
    stream = Stream(relay.url, pace=FAST_STREAM)
    follower = Follower(client, stream, FAST)
    stream.start()
    follower.start()
    await stream.ready(10)
    yield Desk(comfyui, relay, client, stream, follower)
    await follower.close()
    await stream.close()
