"""Who may come into the queue: what cannot run is refused with its name, before anything is stored."""

from __future__ import annotations

import asyncio

import pytest

from backend.comfyui import MissingModel, MissingNode
from backend.generation import GenerationLimits, NewGeneration, Remedy
from backend.generation.errors import IdempotencyConflict, InvalidGeneration, NoBackend, QueueFull
from tests.fakes.comfyui import SimulatedComfyUI
from tests.generation import graphs
from tests.generation.rig import ALICE, BOB, OWNER, Rig

pytestmark = pytest.mark.anyio


async def test_the_same_key_is_the_same_job(rig: Rig) -> None:
    """Also when both come at once; with another request it is refused; for another user it is another key."""
    key = {"idempotency_key": "abc"}
    first, second = await asyncio.gather(*(rig.submit(graphs.quick(), **key) for _ in range(2)))
    with pytest.raises(IdempotencyConflict):
        await rig.submit(graphs.quick(7), **key)
    theirs = await rig.submit(graphs.quick(), ALICE, **key)

    assert first.id == second.id
    assert theirs.id != first.id


async def test_missing_models_and_nodes_are_named_before_anything_is_stored(rig: Rig) -> None:
    """With what would bring them."""
    rig.remedies = {"b.safetensors": Remedy("b.safetensors", preset_id="bee")}
    with pytest.raises(MissingModel) as model:
        await rig.submit(graphs.sample("b.safetensors"))
    with pytest.raises(MissingNode) as node:
        await rig.submit({"9": {"class_type": "Unheard", "inputs": {}}, **graphs.quick()})

    assert model.value.details["models"] == [
        {"name": "b.safetensors", "folder": "checkpoints", "node_id": "1", "input": "ckpt_name"}
    ]
    assert model.value.details["remedies"] == [{"model": "b.safetensors", "preset_id": "bee"}]
    assert node.value.details["classes"] == ["Unheard"]
    assert (await rig.service.list(OWNER)).total == 0


async def test_a_model_that_has_just_arrived_is_seen(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """ComfyUI is asked again before a job is refused."""
    path = comfyui.base / "models" / "checkpoints" / "b.safetensors"
    await asyncio.to_thread(path.write_bytes, b"x")
    job = await rig.submit(graphs.sample("b.safetensors"))

    assert (await rig.until(job.id)).state == "completed"
    assert rig.service.backends()[0].models == ["b.safetensors"]


async def test_the_queue_has_limits_for_each_user_and_for_all(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """Refused with the time to wait; nothing is stored."""
    rig.limits = GenerationLimits(max_depth=3, max_depth_per_user=2)
    await rig.restart()
    await rig.up()
    comfyui.hold()
    running = await rig.submit(graphs.slow(), BOB)
    await rig.until(running.id, "running")
    waiting = [await rig.submit(graphs.quick(number), ALICE) for number in range(2)]
    with pytest.raises(QueueFull) as own:
        await rig.submit(graphs.quick(9), ALICE)
    waiting.append(await rig.submit(graphs.quick(3), BOB))
    with pytest.raises(QueueFull) as everybody:
        await rig.submit(graphs.quick(9), BOB)
    comfyui.release()
    await rig.ended(waiting)

    assert own.value.details["limit"] == 2
    assert everybody.value.details["limit"] == 3
    assert own.value.details["retry_after_s"]


@pytest.mark.parametrize(
    "new",
    [
        NewGeneration(),
        NewGeneration(workflow_id="a", prompt=graphs.quick()),
        NewGeneration(prompt=graphs.quick(), n=0),
        NewGeneration(prompt=graphs.quick(), n=65),
        NewGeneration(prompt=graphs.quick(), seed=-1),
        NewGeneration(prompt=graphs.quick(), priority=101),
        NewGeneration(prompt=graphs.quick(), webhook_url="https://example.org/hook"),
        NewGeneration(prompt=graphs.quick(), webhook_url="ftp://example.org/hook"),
    ],
)
async def test_requests_that_cannot_be_meant_are_refused(rig: Rig, new: NewGeneration) -> None:
    """Before anything else happens."""
    with pytest.raises(InvalidGeneration):
        await rig.service.submit(new, OWNER)


async def test_without_a_backend_nothing_is_accepted(tmp_path: object, rig: Rig) -> None:
    """And the hint names both ways to have one."""
    async with Rig(rig.folder.parent / "other", []) as empty:
        with pytest.raises(NoBackend) as refused:
            await empty.submit(graphs.quick())

    assert "COMFYUI_URL" in refused.value.hint
    assert "COMFYUI_DIR" in refused.value.hint
