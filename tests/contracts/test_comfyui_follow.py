"""Hearth's own client, stream and follower against the simulated ComfyUI, or the real one at COMFYUI_TEST_URL."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backend.comfyui import (
    ComfyUIClient,
    Ended,
    Ending,
    Follower,
    Graph,
    InvalidInput,
    NodeError,
    NodeStarted,
    OutOfMemory,
    OutputFile,
    PreviewImage,
    Progress,
    Step,
    Stream,
    Watch,
    new_prompt_id,
)
from tests.contracts.comfyui_replay import recording, salted
from tests.contracts.test_comfyui_runs import url

pytestmark = pytest.mark.anyio
__all__ = ["url"]


@pytest.fixture
def version() -> str:
    """The version that is simulated here."""
    return "0.3.64"


class Desk:
    """Everything that speaks to one server."""

    def __init__(self, url: str) -> None:
        self.client = ComfyUIClient(url)
        self.stream = Stream(url)
        self.follower = Follower(self.client, self.stream)

    def watch(self, graph: Graph) -> Watch:
        return self.follower.watch(new_prompt_id(), graph)


@pytest.fixture
async def desk(url: str) -> AsyncIterator[Desk]:
    """Started, with a connection that stands."""
    made = Desk(url)
    made.stream.start()
    made.follower.start()
    await made.stream.ready(10)
    yield made
    await made.follower.close()
    await made.stream.close()
    await made.client.aclose()


def _recorded(name: str, **inputs: Any) -> Graph:
    """Return the graph of a recording, new to the server; *inputs* change those of node 1."""
    line = next(line for line in recording("0.3.64", name) if line["kind"] == "http" and line["path"] == "/prompt")
    graph = Graph.parse(salted(line["request"], secrets.randbelow(1_000_000))["prompt"])
    return graph.with_inputs({("1", key): value for key, value in inputs.items()})


async def _run(desk: Desk, graph: Graph) -> list[Progress]:
    with desk.watch(graph) as watch:
        await watch.submit(graph)
        return [progress async for progress in watch]


async def test_a_result_is_followed_and_fetched(desk: Desk, tmp_path: Path) -> None:
    """Steps, previews that belong to it, and a file that is a PNG."""
    told = await _run(desk, _recorded("run_slow_progress_preview_metadata_type4"))
    end = told[-1]
    assert isinstance(end, Ended)
    file = end.outcome.outputs[0].files[0]
    saved = await desk.client.files.save(file, tmp_path / "result.png", limit_bytes=10_000_000)

    assert end.outcome.is_success
    assert [each.value for each in told if isinstance(each, Step)] == list(range(1, 21))
    assert {each.mime for each in told if isinstance(each, PreviewImage)} == {"image/jpeg"}
    assert saved.path.read_bytes().startswith(b"\x89PNG")


async def test_a_cached_rerun_is_marked(desk: Desk) -> None:
    """The same graph again: no node runs, and the file is the old one."""
    graph = _recorded("run_empty_save")
    first, second = (await _run(desk, graph))[-1], await _run(desk, graph)
    end = second[-1]

    assert isinstance(first, Ended)
    assert isinstance(end, Ended)
    assert not any(isinstance(each, NodeStarted) for each in second)
    assert end.outcome.outputs[0].is_cached
    assert end.outcome.outputs[0].files == first.outcome.outputs[0].files


@pytest.mark.parametrize(("name", "kind"), [("run_error_exception_in_node", NodeError), ("run_error_oom", OutOfMemory)])
async def test_errors_of_nodes_have_their_class(desk: Desk, name: str, kind: type[NodeError]) -> None:
    """And no folder of the server."""
    end = (await _run(desk, _recorded(name)))[-1]

    assert isinstance(end, Ended)
    assert type(end.outcome.error) is kind
    assert "main.py" not in str(end.outcome.error.as_dict())
    assert str(Path(__file__).parents[3]) not in str(end.outcome.error.as_dict())


async def test_a_running_execution_is_cancelled(desk: Desk) -> None:
    """Within a step, and for good."""
    graph = _recorded("run_interrupted", steps=600, seconds=60.0)
    with desk.watch(graph) as watch:
        await watch.submit(graph)
        async for progress in watch:
            if isinstance(progress, Step):
                break
        await watch.cancel()
        async with asyncio.timeout(10):
            outcome = await watch.outcome()

    assert outcome.ending is Ending.INTERRUPTED


async def test_a_waiting_execution_is_cancelled(desk: Desk) -> None:
    """The one before it is not touched."""
    blocker, waiting = _recorded("run_interrupt_blocking_node", seconds=0.6), _recorded("run_empty_save")
    with desk.watch(blocker) as first, desk.watch(waiting) as second:
        await first.submit(blocker)
        await second.submit(waiting)
        await second.cancel()

        assert (await second.outcome()).ending is Ending.INTERRUPTED
        assert (await first.outcome()).is_success


async def test_what_a_node_sends_over_the_socket_is_kept(desk: Desk) -> None:
    """A PNG that is in no folder and in no history."""
    told = await _run(desk, _recorded("run_ws_image_output"))
    images = [each for each in told if isinstance(each, PreviewImage)]

    assert [each.mime for each in images] == ["image/png"]
    assert images[0].image.startswith(b"\x89PNG")


async def test_many_executions_end_once_each(desk: Desk) -> None:
    """Fifty at the same time, on one connection."""
    ends = [told[-1] for told in await asyncio.gather(*(_run(desk, _recorded("run_empty_save")) for _ in range(50)))]
    names = [
        each.outcome.outputs[0].files[0].filename
        for each in ends
        if isinstance(each, Ended) and each.outcome.is_success
    ]

    assert len(set(names)) == 50


async def test_an_execution_is_known_without_hearing_of_it(desk: Desk) -> None:
    """Sent by somebody else: queue and history are enough."""
    graph, prompt_id = _recorded("run_empty_save"), new_prompt_id()
    await desk.client.submit(graph, prompt_id=prompt_id)
    with desk.follower.watch(prompt_id) as watch:
        watch.attach()
        async with asyncio.timeout(10):
            outcome = await watch.outcome()

    assert outcome.is_success


async def test_what_the_server_says_about_itself_is_read(desk: Desk) -> None:
    """Stats, features, classes, models, logs, settings."""
    stats, info = await desk.client.system_stats(), await desk.client.nodes.info()
    models = [each.name for each in await desk.client.models("checkpoints")]

    assert stats.version == "0.3.64"
    assert stats.devices
    assert (await desk.client.features()).max_upload_bytes
    assert info.classes["SaveImage"].is_output
    assert "tiny_sd15_full.ckpt" in models
    assert set(models) == set(info.classes["CheckpointLoaderSimple"].inputs["ckpt_name"].choices or ())
    assert (await desk.client.logs()).entries
    assert not await desk.client.jobs.available()
    assert isinstance(await desk.client.user.settings(), dict)


async def test_uploads_become_inputs(desk: Desk) -> None:
    """What was uploaded can be named by a node at once; what was not cannot."""
    result = (await _run(desk, _recorded("run_empty_save")))[-1]
    assert isinstance(result, Ended)
    png = await desk.client.files.read(result.outcome.outputs[0].files[0], limit_bytes=1_000_000)
    stored = await desk.client.files.upload_image(f"in-{secrets.token_hex(4)}.png", png, subfolder="hearth")
    load = Graph.parse(
        {
            "1": {"class_type": "LoadImage", "inputs": {"image": stored.as_input}},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
    )
    end = (await _run(desk, load))[-1]
    assert isinstance(end, Ended)

    assert end.outcome.is_success
    with pytest.raises(InvalidInput, match="nope"):
        await _run(desk, load.with_inputs({("1", "image"): "nope.png"}))
    assert (
        await desk.client.files.read(OutputFile(stored.name, stored.subfolder, "input"), limit_bytes=1_000_000) == png
    )
