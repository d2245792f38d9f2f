"""The same laws against a real ComfyUI: set COMFYUI_TEST_URL to one that has the test nodes and the tiny checkpoints."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.generation import graphs
from tests.generation.rig import OWNER, Rig

URL = os.environ.get("COMFYUI_TEST_URL", "")  # read before the fixture that hides the environment
pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not URL, reason="COMFYUI_TEST_URL is not set")]


@pytest.fixture
async def real(anyio_backend: object, tmp_path: Path) -> AsyncIterator[Rig]:
    """A generation service on the real server."""
    async with Rig(tmp_path / "hearth", [URL]) as rig:
        await rig.up()
        yield rig


def fresh() -> int:
    """Return a seed that no cache knows."""
    return uuid.uuid4().int % 2**31


async def test_it_samples_with_a_checkpoint(real: Rig) -> None:
    """Steps are told, and the model is known to be loaded afterwards."""
    job = await real.submit(graphs.sample("tiny_sd15_full.ckpt", fresh()))
    done = await real.until(job.id)

    assert done.state == "completed", done.error
    assert [result.mime for result in done.results] == ["image/png"]
    assert real.service.backends()[0].models == ["tiny_sd15_full.ckpt"]


async def test_it_shows_previews_and_can_be_stopped(real: Rig) -> None:
    """The end is confirmed by its history."""
    job = await real.submit(graphs.slow(fresh(), seconds=10, steps=50, previews=True))
    await real.until(job.id, "running", holds=lambda job: job.step is not None and job.step.value > 2)
    cancelled = await real.service.cancel(job.id, OWNER)

    assert cancelled.state == "cancelled"
    assert any(event.blob for event in real.events)


async def test_its_failures_have_names(real: Rig) -> None:
    """With the node's title; out of memory is tried twice."""
    failed = await real.until((await real.submit(graphs.fail("ValueError", str(fresh())))).id)
    starved = await real.until((await real.submit(graphs.fail("OOM", str(fresh())))).id)

    assert failed.error is not None
    assert (failed.error["code"], failed.error["details"]["title"]) == ("node_error", "Breaks")
    assert starved.error is not None
    assert (starved.error["code"], starved.attempts) == ("out_of_memory", 2)


async def test_what_runs_is_followed_on_after_a_restart(real: Rig) -> None:
    """Sent once."""
    job = await real.submit(graphs.slow(fresh(), seconds=2, steps=20))
    await real.until(job.id, "running", holds=lambda job: job.step is not None)
    await real.restart()
    done = await real.until(job.id)

    assert (done.state, done.attempts, len(done.results)) == ("completed", 1, 1)
    assert len(await asyncio.to_thread(real.files)) == 1


async def test_pictures_of_the_socket_and_of_the_cache_arrive(real: Rig) -> None:
    """Both ways in which no file is written."""
    color = fresh() % 0xFFFFFF
    sent = await real.until((await real.submit(graphs.socket_image(color))).id)
    first = await real.until((await real.submit(graphs.quick(color))).id)
    second = await real.until((await real.submit(graphs.quick(color))).id)

    assert [len(job.results) for job in (sent, first, second)] == [1, 1, 1]
