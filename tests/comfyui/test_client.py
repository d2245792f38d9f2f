"""Questions and answers over HTTP, and what goes wrong with them."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.comfyui import (
    ComfyUIClient,
    ComfyUIRefused,
    ComfyUISilent,
    ComfyUIUnreachable,
    InvalidInput,
    JobStatus,
    MissingModel,
    MissingNode,
    OutputFile,
    OutputNotFound,
    OutputTooLarge,
    Place,
    RequestTooLarge,
    Timeouts,
    new_prompt_id,
)
from tests.comfyui.graphs import save, single, slow
from tests.contracts.test_comfyui_runs import stocked
from tests.fakes.comfyui import Relay, SimulatedComfyUI
from tests.live import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture
async def new_version(tmp_path: Path) -> AsyncIterator[ComfyUIClient]:
    """A client of a ComfyUI 0.26."""
    with SimulatedComfyUI(stocked(tmp_path / "new"), version="0.26.0") as comfyui:
        client = ComfyUIClient(comfyui.url)
        yield client
        await client.aclose()


async def _over(client: ComfyUIClient, prompt_id: str) -> None:
    async with asyncio.timeout(10):
        while (await client.whereabouts(prompt_id)).place is not Place.OVER:
            await asyncio.sleep(0.01)


async def test_a_prompt_is_found_wherever_it_is(comfyui: SimulatedComfyUI, client: ComfyUIClient) -> None:
    """Unknown, running, waiting, over."""
    comfyui.hold()
    first, second = new_prompt_id(), new_prompt_id()
    assert (await client.whereabouts(first)).place is Place.UNKNOWN
    await client.submit(slow(), prompt_id=first)
    await client.submit(save(), prompt_id=second)

    assert (await client.whereabouts(second)).position == 1
    assert (await client.whereabouts(first)).place is Place.RUNNING
    assert await client.queue_remaining() == 2
    comfyui.release()
    await _over(client, second)
    record = (await client.whereabouts(second)).record
    assert record is not None
    assert record.is_success
    assert [each.prompt_id for each in await client.recent_history(10)] == [first, second]
    await client.forget([first])
    assert await client.history(first) is None


async def test_front_goes_before_everything_that_waits(comfyui: SimulatedComfyUI, client: ComfyUIClient) -> None:
    """The queue is told in the order in which it will run, though the server lists a heap."""
    comfyui.hold()
    ids = [new_prompt_id() for _ in range(5)]
    await client.submit(slow(), prompt_id=ids[0])
    for number, prompt_id in enumerate(ids[1:4]):
        await client.submit(save(number), prompt_id=prompt_id)
    await client.submit(save(9), prompt_id=ids[4], front=True)

    assert [each.prompt_id for each in (await client.queue()).pending] == [ids[4], *ids[1:4]]
    await client.delete_pending([ids[2]])
    await client.clear_queue()
    assert (await client.queue()).pending == ()


async def test_refusals_have_names(client: ComfyUIClient) -> None:
    """A model that is not there, a node that is not there, a value that cannot be."""
    loader = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "nope.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a", "clip": ["1", 1]}},
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 0]}},
    }
    from backend.comfyui import Graph

    with pytest.raises(MissingModel, match=r"nope\.safetensors") as model:
        await client.submit(Graph.parse(loader), prompt_id=new_prompt_id())
    with pytest.raises(MissingNode, match="Unheard"):
        await client.submit(single("Unheard"), prompt_id=new_prompt_id())
    with pytest.raises(InvalidInput) as value:
        await client.submit(save().with_inputs({("1", "width"): -5}), prompt_id=new_prompt_id())

    assert (model.value.problems[0].node_id, model.value.problems[0].input) == ("1", "ckpt_name")
    assert value.value.problems[0].type == "value_smaller_than_min"


async def test_outputs_that_were_refused_are_named(client: ComfyUIClient) -> None:
    """The server takes the prompt, makes what is good of it, and skips the rest without a word later."""
    from backend.comfyui import Graph

    graph = Graph.parse(
        {
            **save().document,
            "3": {
                "class_type": "ImageScale",
                "inputs": {"image": ["1", 0], "upscale_method": "nope", "width": 64, "height": 64, "crop": "center"},
            },
            "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "test/bad"}},
        }
    )
    submitted = await client.submit(graph, prompt_id=new_prompt_id())

    assert [(each.node_id, each.type, each.dependent_outputs) for each in submitted.problems] == [
        ("3", "value_not_in_list", ("4",))
    ]


async def test_a_result_is_fetched_whole(comfyui: SimulatedComfyUI, client: ComfyUIClient, tmp_path: Path) -> None:
    """Size, hash and media type are those of the file; a limit is kept, and nothing is left behind by a failure."""
    prompt_id = new_prompt_id()
    await client.submit(save(21), prompt_id=prompt_id)
    await _over(client, prompt_id)
    record = await client.history(prompt_id)
    assert record is not None
    file = record.outputs[0].files[0]
    saved = await client.files.save(file, tmp_path / "result.png", limit_bytes=1_000_000)
    content = (comfyui.base / "output" / file.subfolder / file.filename).read_bytes()

    assert (saved.size_bytes, saved.mime) == (len(content), "image/png")
    assert saved.sha256 == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "result.png").read_bytes() == content
    assert await client.files.read(file, limit_bytes=1_000_000) == content
    with pytest.raises(OutputTooLarge):
        await client.files.save(file, tmp_path / "small.png", limit_bytes=10)
    assert not (tmp_path / "small.png").exists()
    with pytest.raises(FileExistsError):
        await client.files.save(file, tmp_path / "result.png", limit_bytes=1_000_000)


@pytest.mark.parametrize("size", [0, 1, 262_144, 262_145, 3_000_000])
async def test_a_file_of_any_size_is_fetched_whole(
    size: int, comfyui: SimulatedComfyUI, client: ComfyUIClient, tmp_path: Path
) -> None:
    """Empty, of one piece, or of many."""
    content = random.Random(size).randbytes(size)
    (comfyui.base / "output").mkdir(exist_ok=True)
    (comfyui.base / "output" / "any.bin").write_bytes(content)
    saved = await client.files.save(OutputFile("any.bin"), tmp_path / "any.bin", limit_bytes=size)

    assert (tmp_path / "any.bin").read_bytes() == content
    assert (saved.size_bytes, saved.sha256) == (size, hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    "file", [OutputFile("nope.png"), OutputFile("x.png", "../.."), OutputFile("x.png", type="zzz")]
)
async def test_a_file_that_is_not_there_is_said_to_be_so(client: ComfyUIClient, file: OutputFile) -> None:
    """Missing, outside, or of no kind: for whoever asks it is the same."""
    with pytest.raises(OutputNotFound):
        await client.files.read(file, limit_bytes=1)


async def test_uploads_say_what_a_node_takes(client: ComfyUIClient) -> None:
    """The stored name may be another one; the value for LoadImage follows it."""
    first = await client.files.upload_image("pic.png", b"one", subfolder="of/me")
    second = await client.files.upload_image("pic.png", b"two", subfolder="of/me")
    mask = await client.files.upload_mask("mask.png", b"m", OutputFile("pic.png", "of/me", "input"))

    assert (first.as_input, second.as_input, mask.as_input) == ("of/me/pic.png", "of/me/pic (1).png", "mask.png")
    with pytest.raises(ComfyUIRefused):
        await client.files.upload_image("pic.png", b"x", subfolder="../../x")
    with pytest.raises(ComfyUIRefused):
        await client.files.upload_mask("mask.png", b"m", OutputFile("none.png"))


async def test_a_request_that_is_too_long_is_named(comfyui: SimulatedComfyUI, client: ComfyUIClient) -> None:
    """ComfyUI has one limit for uploads and prompts."""
    comfyui.site.max_upload_bytes = 100
    with pytest.raises(RequestTooLarge):
        await client.files.upload_image("pic.png", b"x" * 200)


async def test_what_the_server_is(client: ComfyUIClient, new_version: ComfyUIClient) -> None:
    """Version, devices, features; the list of jobs only where there is one."""
    stats, features = await client.system_stats(), await client.features()

    assert (stats.version, stats.devices[0].type) == ("0.3.64", "cpu")
    assert features.supports_preview_metadata
    assert features.max_upload_bytes == 104_857_600
    assert not await client.jobs.available()
    assert await client.jobs.list() == []
    assert await new_version.jobs.available()
    assert (await new_version.system_stats()).version == "0.26.0"


async def test_jobs_of_new_versions(new_version: ComfyUIClient) -> None:
    """Listed, found, and cancelled once."""
    prompt_id = new_prompt_id()
    await new_version.submit(slow(3, steps=500, seconds=50), prompt_id=prompt_id)
    async with asyncio.timeout(10):
        while (await new_version.whereabouts(prompt_id)).place is not Place.RUNNING:
            await asyncio.sleep(0.01)

    assert [each.id for each in await new_version.jobs.list([JobStatus.IN_PROGRESS])] == [prompt_id]
    assert await new_version.jobs.cancel(prompt_id)
    await _over(new_version, prompt_id)
    job = await new_version.jobs.get(prompt_id)
    assert job is not None
    assert job.status == JobStatus.CANCELLED
    assert not await new_version.jobs.cancel(prompt_id)
    assert await new_version.jobs.get("nope") is None


async def test_object_info_is_parsed_again_only_when_it_changed(
    comfyui: SimulatedComfyUI, client: ComfyUIClient
) -> None:
    """The same object as long as nothing is new; a model that arrived is in the next one."""
    first = await client.nodes.info()
    asked = len(comfyui.requests)
    assert await client.nodes.info() is first
    assert len(comfyui.requests) == asked
    assert await client.nodes.info(max_age_s=-1) is first
    (comfyui.base / "models" / "checkpoints" / "new.safetensors").write_bytes(b"x")
    second = await client.nodes.info(max_age_s=-1)

    assert second.version != first.version
    assert "new.safetensors" in (second.classes["CheckpointLoaderSimple"].inputs["ckpt_name"].choices or ())
    assert await client.nodes.one("Nope") is None


async def test_models_and_folders(client: ComfyUIClient) -> None:
    """As ComfyUI sees them now, with sizes."""
    assert "checkpoints" in await client.model_folders()
    assert ("tiny_sd15_full.ckpt", 1) in [(each.name, each.size_bytes) for each in await client.models("checkpoints")]
    with pytest.raises(InvalidInput):
        await client.models("nope")


async def test_settings_and_files_of_the_user(client: ComfyUIClient) -> None:
    """Slashes in names are part of the name; a file is replaced only where that is allowed."""
    await client.user.change_settings({"Comfy.X": 1})
    assert await client.user.settings() == {"Comfy.X": 1}
    assert await client.user.list("workflows") == []
    assert await client.user.write("workflows/a.json", b"{}")
    assert not await client.user.write("workflows/a.json", b"{1}", overwrite=False)
    assert [(each.path, each.size_bytes) for each in await client.user.list("workflows")] == [("a.json", 2)]
    assert await client.user.read("workflows/a.json") == b"{}"
    with pytest.raises(OutputNotFound):
        await client.user.read("workflows/../../x")
    assert await client.user.delete("workflows/a.json")
    assert not await client.user.delete("workflows/a.json")


async def test_free_and_logs(comfyui: SimulatedComfyUI, client: ComfyUIClient) -> None:
    """Memory is asked back in both ways; the log has lines."""
    await client.free()

    assert comfyui.site.worker.frees == [{"unload_models": True, "free_memory": True}]
    assert (await client.logs()).entries[0][1] == "Starting server\n"


async def test_a_failure_of_the_server_is_named(comfyui: SimulatedComfyUI, client: ComfyUIClient) -> None:
    """500 without a word, wherever it comes from, is a refusal that says what was asked."""
    comfyui.traps.fail_next = (500, 500)
    with pytest.raises(ComfyUIRefused, match="500"):
        await client.queue()
    with pytest.raises(ComfyUIRefused, match="while it read the prompt"):
        await client.submit(save(), prompt_id=new_prompt_id())


async def test_a_server_that_is_not_there() -> None:
    """The address in the message has no user and no password."""
    client = ComfyUIClient(f"http://ada:not-a-secret@127.0.0.1:{free_port()}")
    with pytest.raises(ComfyUIUnreachable) as error:
        await client.queue()
    await client.aclose()

    assert "not-a-secret" not in str(error.value.as_dict())


async def test_a_server_that_says_nothing(relay: Relay) -> None:
    """Connected and silent is told apart from not reachable."""
    client = ComfyUIClient(relay.url, timeouts=Timeouts(idle_s=0.2))
    relay.freeze()
    with pytest.raises(ComfyUISilent):
        await client.queue()
    await client.aclose()
