"""Jobs from the request to the result, and every way to steer them."""

from __future__ import annotations

import asyncio

import pytest

from backend.comfyui import MissingModel, MissingNode
from backend.generation import GenerationLimits, GenerationNotFound, IllegalGenerationState, NewGeneration, Remedy
from backend.generation.errors import IdempotencyConflict, InvalidGeneration, NoBackend, QueueFull
from tests.fakes.comfyui import SimulatedComfyUI
from tests.generation import graphs
from tests.generation.rig import ALICE, BOB, OWNER, Rig
from tests.secret_watch import secret

pytestmark = pytest.mark.anyio


async def test_a_job_from_the_request_to_the_file(rig: Rig) -> None:
    """Queued, running, completed; the file is there, and is what the result says."""
    asked = await rig.submit(graphs.quick(), title="A colour")
    done = await rig.until(asked.id)

    assert (asked.state, asked.title, asked.position, asked.attempts) == ("queued", "A colour", 0, 0)
    assert (done.state, done.attempts, done.progress_ratio, done.error) == ("completed", 1, 1.0, None)
    assert done.backend == rig.urls[0].removeprefix("http://")
    (result,) = done.results
    assert (result.kind, result.mime) == ("image", "image/png")
    (file,) = await asyncio.to_thread(rig.files)
    assert file.stat().st_size == result.bytes
    states = [event.data["state"] for event in rig.events if event.type == "generation.changed"]
    assert states == ["queued", "running", "completed"]


async def test_progress_names_nodes_steps_and_the_share_that_is_done(rig: Rig) -> None:
    """With previews as they come."""
    job = await rig.submit(graphs.slow(previews=True, steps=8, seconds=0.8))
    running = await rig.until(job.id, "running", holds=lambda job: job.step is not None)
    await rig.until(job.id)

    assert running.node is not None
    assert running.node.title == "The slow one"
    assert running.step is not None
    assert running.step.max == 8
    assert 0 < (running.progress_ratio or 0) < 1
    previews = [event.blob for event in rig.events if event.type == "generation.preview"]
    assert previews
    assert all(blob is not None and blob.startswith(b"\xff\xd8") for blob in previews)


async def test_takes_have_seeds_of_their_own_and_end_as_one_job(rig: Rig) -> None:
    """N prompts under one id, each with the next seed; every result belongs to the job."""
    job = await rig.submit(graphs.slow(seconds=0.01), n=3, seed=41)
    done = await rig.until(job.id)

    record = await rig.service.record(job.id, OWNER)
    assert [take.seed for take in record.takes] == [41, 42, 43]
    assert (done.state, done.seed, done.n, len(done.results)) == ("completed", 41, 3, 3)
    assert len({result.id for result in done.results}) == 3


async def test_a_job_that_waits_is_cancelled_at_once(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """ComfyUI never hears of it."""
    comfyui.hold()
    first = await rig.submit(graphs.slow(1))
    await rig.until(first.id, "running")
    second = await rig.submit(graphs.slow(2))
    cancelled = await rig.service.cancel(second.id, OWNER)
    comfyui.release()
    await rig.until(first.id, "completed")

    assert cancelled.state == "cancelled"
    assert len(comfyui.prompts) == 1
    assert (await rig.service.get(second.id, OWNER)).state == "cancelled"


async def test_a_job_that_runs_is_interrupted_and_the_end_is_confirmed(rig: Rig) -> None:
    """The answer comes when ComfyUI's history says that it stopped; the next job runs."""
    job = await rig.submit(graphs.slow(seconds=10, steps=100))
    await rig.until(job.id, "running", holds=lambda job: job.step is not None)
    cancelled = await rig.service.cancel(job.id, OWNER)
    after = await rig.submit(graphs.quick())

    assert cancelled.state == "cancelled"
    assert cancelled.error is None
    assert (await rig.until(after.id)).state == "completed"


async def test_a_cancel_that_comes_too_late_says_so(rig: Rig) -> None:
    """What is done stays done, and cancelling twice is no error."""
    job = await rig.submit(graphs.quick())
    await rig.until(job.id, "completed")
    with pytest.raises(IllegalGenerationState):
        await rig.service.cancel(job.id, OWNER)
    other = await rig.submit(graphs.slow(seconds=10))
    await rig.until(other.id, "running")
    assert (await rig.service.cancel(other.id, OWNER)).state == "cancelled"
    assert (await rig.service.cancel(other.id, OWNER)).state == "cancelled"


async def test_a_node_that_cannot_be_stopped_completes(rig: Rig) -> None:
    """A cancel that ComfyUI cannot carry out ends in what it made, or at the next node."""
    job = await rig.submit(graphs.blocking(0.5))
    await rig.until(job.id, "running", holds=lambda job: job.node is not None)
    cancelled = await rig.service.cancel(job.id, OWNER)

    assert cancelled.state == "cancelled"  # interrupted before the node that saves


async def test_a_failed_job_is_tried_again(rig: Rig) -> None:
    """One that completed is not."""
    job = await rig.until((await rig.submit(graphs.quick())).id, "completed")
    with pytest.raises(IllegalGenerationState):
        await rig.service.retry(job.id, OWNER)
    broken = await rig.submit(graphs.fail("ValueError"))
    await rig.until(broken.id, "failed")
    again = await rig.service.retry(broken.id, OWNER)
    failed = await rig.until(broken.id, "failed", holds=lambda job: job.attempts == 1)

    assert again.state == "queued"
    assert again.error is None
    assert failed.error is not None
    assert failed.error["code"] == "node_error"
    assert failed.error["details"]["title"] == "Breaks"


async def test_out_of_memory_is_tried_once_more_with_free_memory(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """Then it fails with the reason."""
    job = await rig.submit(graphs.fail("OOM"))
    failed = await rig.until(job.id, "failed")

    assert failed.error is not None
    assert failed.error["code"] == "out_of_memory"
    assert failed.attempts == 2
    assert [seen.path for seen in comfyui.requests].count("/free") == 1


async def test_a_job_that_somebody_else_stops_fails_as_interrupted(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """It is not called cancelled: nobody here asked for it."""
    job = await rig.submit(graphs.slow(seconds=10, steps=100))
    await rig.until(job.id, "running", holds=lambda job: job.step is not None)
    backend = next(iter(rig.service._backends.values()))
    record = await rig.service.record(job.id, OWNER)
    await backend.client.interrupt(record.takes[0].prompt_id or "")
    failed = await rig.until(job.id)

    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "interrupted"


async def test_the_same_key_is_the_same_job(rig: Rig) -> None:
    """Also when both come at once; with another request it is refused; for another user it is another key."""
    key = {"idempotency_key": "abc"}
    first, second = await asyncio.gather(*(rig.submit(graphs.quick(), **key) for _ in range(2)))
    with pytest.raises(IdempotencyConflict):
        await rig.submit(graphs.quick(7), **key)
    theirs = await rig.submit(graphs.quick(), ALICE, **key)

    assert first.id == second.id
    assert theirs.id != first.id


async def test_users_do_not_see_each_other(rig: Rig) -> None:
    """Neither in lists nor by id nor in events; an administrator sees both."""
    hers, his = await rig.submit(graphs.quick(), ALICE), await rig.submit(graphs.quick(1), BOB)
    await rig.ended([hers, his])
    for call in (rig.service.get, rig.service.cancel, rig.service.retry):
        with pytest.raises(GenerationNotFound):
            await call(his.id, ALICE)
    with pytest.raises(GenerationNotFound):
        await anext(rig.service.events(his.id, ALICE))

    assert [job.id for job in (await rig.service.list(ALICE)).items] == [hers.id]
    assert {job.id for job in (await rig.service.list(OWNER)).items} == {hers.id, his.id}
    assert not rig.service.may_see(ALICE, his.id)
    assert rig.service.may_see(BOB, his.id)


async def test_lists_are_filtered_and_paged(rig: Rig) -> None:
    """The newest first; the total counts all pages."""
    jobs = [await rig.submit(graphs.quick(number), title=f"Number {number}") for number in range(5)]
    await rig.ended(jobs)
    broken = await rig.submit(graphs.fail("ValueError"))
    await rig.until(broken.id, "failed")
    page = await rig.service.list(OWNER, states=["completed"], limit=2, offset=1)

    assert [job.title for job in page.items] == ["Number 3", "Number 2"]
    assert page.total == 5
    assert (await rig.service.list(OWNER, query="number 4")).total == 1
    assert (await rig.service.list(OWNER, states=["failed"])).items[0].id == broken.id


async def test_events_are_told_again_from_where_they_were_left(rig: Rig) -> None:
    """Stored ones have rising numbers; the stream ends with the job."""
    job = await rig.submit(graphs.slow())
    told = [event async for event in rig.service.events(job.id, OWNER)]
    lasting = [event for event in told if event.seq]
    again = [event async for event in rig.service.events(job.id, OWNER, after=lasting[0].seq)]

    assert [event.data["state"] for event in lasting] == ["queued", "running", "completed"]
    assert any(event.type == "generation.progress" for event in told)
    assert [event.seq for event in again] == [event.seq for event in lasting[1:]]


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


async def test_the_time_left_is_known_from_past_runs(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """Of the same nodes, sizes and steps; also for jobs that wait."""
    first = await rig.submit(graphs.slow(1, seconds=0.4))
    await rig.until(first.id)
    comfyui.hold()
    second, third = [await rig.submit(graphs.slow(seed, seconds=0.4)) for seed in (2, 3)]
    await rig.until(second.id, "running")
    waiting = await rig.service.get(third.id, OWNER)
    comfyui.release()
    await rig.ended([second, third])

    assert first.eta_s is None
    assert waiting.eta_s is not None
    assert 0.3 < waiting.eta_s < 3


async def test_pictures_that_come_over_the_socket_are_kept(rig: Rig) -> None:
    """They are in no folder of ComfyUI and in no history."""
    job = await rig.submit(graphs.socket_image(5))
    done = await rig.until(job.id)

    assert done.state == "completed"
    assert [result.mime for result in done.results] == ["image/png"]


async def test_two_outputs_are_two_results(rig: Rig) -> None:
    """Of one take."""
    job = await rig.submit(graphs.slow(seconds=0.01, outputs=2))

    assert len((await rig.until(job.id, "completed")).results) == 2


async def test_an_identical_prompt_is_completed_with_the_files_of_the_first(rig: Rig) -> None:
    """ComfyUI runs no node for it; its files are collected once more, for the new job."""
    first = await rig.until((await rig.submit(graphs.quick(3))).id)
    second = await rig.until((await rig.submit(graphs.quick(3))).id)

    assert second.state == "completed"
    assert len(second.results) == 1
    assert second.results[0].id != first.results[0].id


async def test_files_that_comfyui_has_lost_are_made_again(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """It remembers results whose files were deleted; it is made to forget, and runs the prompt once more."""
    await rig.until((await rig.submit(graphs.quick(3))).id)
    for path in (comfyui.base / "output").rglob("*.png"):
        await asyncio.to_thread(path.unlink)
    again = await rig.until((await rig.submit(graphs.quick(3))).id)

    assert again.state == "completed"
    assert again.attempts == 2


async def test_an_interrupt_that_comfyui_forgets_is_sent_again(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """A server that has just begun forgets it; the job is cancelled all the same."""
    comfyui.traps.forgets_early_interrupt = True
    job = await rig.submit(graphs.slow(seconds=8, steps=80))
    await rig.until(job.id, "running")

    assert (await rig.service.cancel(job.id, OWNER)).state == "cancelled"


async def test_outputs_that_comfyui_leaves_out_are_told(rig: Rig) -> None:
    """It runs the valid ones and says nothing more; the job is completed and says what is missing."""
    graph = graphs.quick(9)
    graph["3"] = {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}
    done = await rig.until((await rig.submit(graph)).id)

    assert done.state == "completed"
    assert len(done.results) == 1
    assert done.error is not None
    assert done.error["code"] == "invalid_input"
    assert done.error["details"]["problems"][0]["node_id"] == "3"


async def test_keys_for_paid_services_are_passed_on_and_not_stored(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """What is in the database may be read by others later."""
    key = secret("service key")
    extra = {"api_key_comfy_org": key, "extra_pnginfo": {"workflow": {"id": 1}}}
    job = await rig.submit(graphs.quick(4), extra_data=extra)
    await rig.until(job.id, "completed")
    record = await rig.service.record(job.id, OWNER)
    database = b"".join(
        [await asyncio.to_thread(path.read_bytes) for path in (rig.folder / "config").glob("hearth.db*")]
    )

    assert comfyui.prompts[0]["extra_data"]["api_key_comfy_org"] == key
    assert record.extra_data == {"extra_pnginfo": {"workflow": {"id": 1}}}
    assert key.encode() not in database
