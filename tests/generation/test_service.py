"""Jobs from the request to the result, and what is told of them on the way."""

from __future__ import annotations

import asyncio

import pytest

from backend.generation import GenerationNotFound
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


async def test_out_of_memory_is_tried_once_more_with_free_memory(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """Then it fails with the reason."""
    job = await rig.submit(graphs.fail("OOM"))
    failed = await rig.until(job.id, "failed")

    assert failed.error is not None
    assert failed.error["code"] == "out_of_memory"
    assert failed.attempts == 2
    assert [seen.path for seen in comfyui.requests].count("/free") == 1


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
