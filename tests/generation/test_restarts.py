"""Hearth or ComfyUI may die at any instant: every acknowledged job ends, and none is in the gallery twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from backend.generation import GenerationJob, GenerationLimits
from backend.generation.takes import MAX_ATTEMPTS
from tests.fakes.comfyui import SimulatedComfyUI
from tests.generation import graphs
from tests.generation.rig import ALICE, BOB, OWNER, Rig

pytestmark = pytest.mark.anyio


async def assert_each_once(rig: Rig, jobs: Sequence[GenerationJob]) -> None:
    """Every job is completed with the results that its takes make, once."""
    for job in jobs:
        assert job.state == "completed", job
        assert len(job.results) == job.n
    ids = [result.id for job in jobs for result in job.results]
    assert len(set(ids)) == len(ids)
    assert len(await asyncio.to_thread(rig.files)) == len(ids)


async def test_what_runs_is_followed_on_after_a_restart(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """ComfyUI is not asked a second time."""
    comfyui.hold()
    running = await rig.submit(graphs.slow(1))
    waiting = await rig.submit(graphs.slow(2))
    await rig.until(running.id, "running")
    await asyncio.to_thread(comfyui.wait_for, lambda: comfyui.prompts)
    await rig.restart()
    await rig.until(running.id, "running")
    comfyui.release()
    done = await rig.ended([running, waiting])

    assert len(comfyui.prompts) == 2
    assert [job.attempts for job in done] == [1, 1]
    await assert_each_once(rig, done)


async def test_what_was_done_meanwhile_is_collected(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """From the history, under the prompt id that was stored before ComfyUI was asked."""
    job = await rig.submit(graphs.slow(1, seconds=0.3))
    await rig.until(job.id, "running")
    await rig.restart(lambda: comfyui.wait_for(lambda: not comfyui.site.queue.remaining))
    done = await rig.until(job.id)

    assert len(comfyui.prompts) == 1
    await assert_each_once(rig, [done])


async def test_what_comfyui_has_forgotten_is_sent_once_more(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """Both died: the queue of ComfyUI is gone."""
    comfyui.hold()
    job = await rig.submit(graphs.slow(1))
    await rig.until(job.id, "running")
    await asyncio.to_thread(comfyui.wait_for, lambda: comfyui.prompts)
    await rig.restart(comfyui.restart)
    done = await rig.until(job.id)

    assert done.attempts == 2
    await assert_each_once(rig, [done])


async def test_a_comfyui_that_dies_is_sent_the_job_again(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """As soon as it is back; jobs that came meanwhile run too."""
    job = await rig.submit(graphs.slow(1, seconds=5))
    await rig.until(job.id, "running", holds=lambda job: job.step is not None)
    await asyncio.to_thread(comfyui.stop)
    while_down = await rig.submit(graphs.quick())
    await asyncio.to_thread(comfyui.start)
    quick = await rig.submit(graphs.quick(1))
    await rig.until(job.id, "running", holds=lambda job: job.attempts == 2)
    await rig.ended([job, while_down, quick])

    await assert_each_once(rig, await rig.ended([job, while_down, quick]))


async def test_a_job_that_kills_comfyui_every_time_fails_with_the_reason(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """After as many attempts as allowed, so that it cannot hold up the queue for ever."""
    job = await rig.submit(graphs.slow(1, seconds=30))
    for attempt in range(1, MAX_ATTEMPTS + 1):
        await rig.until(job.id, "running", holds=lambda job, attempt=attempt: job.attempts == attempt)
        await asyncio.to_thread(comfyui.wait_for, lambda: comfyui.prompts)
        await asyncio.to_thread(comfyui.restart)
    failed = await rig.until(job.id)

    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "attempts_exhausted"
    assert failed.attempts == MAX_ATTEMPTS


async def test_a_worker_that_died_behind_a_healthy_port_is_noticed(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """Prompts wait and nothing runs: the backend is called stuck, and used again after its restart."""
    comfyui.kill_worker()
    job = await rig.submit(graphs.quick())
    async with asyncio.timeout(20):
        while rig.service.backends()[0].state != "stuck":
            await asyncio.sleep(0.02)
    await asyncio.to_thread(comfyui.restart)

    await assert_each_once(rig, [await rig.until(job.id, "completed")])


@pytest.mark.parametrize(
    "trap",
    [
        {"history_lag_s": 0.4},
        {"silent_endings": True},
        {"frames_before_answer": True},
        {"fail_next": (500,)},
        {"history_lag_s": 0.2, "silent_endings": True},
    ],
    ids=str,
)
async def test_traps_of_comfyui_change_nothing(rig: Rig, comfyui: SimulatedComfyUI, trap: dict[str, object]) -> None:
    """Late history, no terminal message, frames before the answer, an answer that makes no sense."""
    for name, value in trap.items():
        setattr(comfyui.traps, name, value)
    jobs = [await rig.submit(graphs.slow(seed, seconds=0.05)) for seed in range(3)]
    done = await rig.ended(jobs)

    await assert_each_once(rig, done)


async def test_a_cancel_survives_a_restart(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """It was acknowledged: the next life carries it out."""
    job = await rig.submit(graphs.slow(1, seconds=20, steps=200))
    await rig.until(job.id, "running", holds=lambda job: job.step is not None)
    await rig.service._book.change(job.id, lambda old: replace(old, cancelling=True))
    await rig.restart()
    done = await rig.until(job.id)

    assert done.state == "cancelled"
    await asyncio.to_thread(comfyui.wait_for, lambda: not comfyui.site.queue.remaining)


async def test_two_hundred_jobs_of_two_users_over_restarts(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """All end, each once, though Hearth is started anew and ComfyUI too."""
    rig.limits = GenerationLimits(max_depth=500, max_depth_per_user=200, pin_grace_s=0.5, sweep_s=0.1)
    await rig.restart()
    jobs = [await rig.submit(graphs.quick(number), (ALICE, BOB)[number % 2]) for number in range(200)]
    await rig.restart()
    await asyncio.to_thread(comfyui.restart)
    async with asyncio.timeout(100):
        while (await rig.service.list(OWNER, states=["queued", "running"])).total:
            await asyncio.sleep(0.05)
    done = [await rig.service.get(job.id, OWNER) for job in jobs]

    await assert_each_once(rig, done)
    assert (await rig.service.list(ALICE)).total == 100
