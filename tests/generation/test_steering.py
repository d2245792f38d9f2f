"""Jobs are cancelled, tried again, and stopped by others."""

from __future__ import annotations

import pytest

from backend.generation import IllegalGenerationState
from tests.fakes.comfyui import SimulatedComfyUI
from tests.generation import graphs
from tests.generation.rig import OWNER, Rig

pytestmark = pytest.mark.anyio


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


async def test_an_interrupt_that_comfyui_forgets_is_sent_again(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """A server that has just begun forgets it; the job is cancelled all the same."""
    comfyui.traps.forgets_early_interrupt = True
    job = await rig.submit(graphs.slow(seconds=8, steps=80))
    await rig.until(job.id, "running")

    assert (await rig.service.cancel(job.id, OWNER)).state == "cancelled"
