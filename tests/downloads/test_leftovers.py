"""Unfinished bytes wait a week for somebody to come back, and not for ever."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from backend.downloads import DownloadJob, partial_bytes
from backend.kit.clock import utc_now
from tests.downloads.rig import Rig, eventually
from tests.fakes.content import Content
from tests.fakes.faults import Slow, Status
from tests.fakes.model_host import ModelHost

pytestmark = pytest.mark.anyio

MODEL = Content.safetensors(6_000_000, seed=31)
SLOW = Slow(1_000_000)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A queue."""
    async with Rig(tmp_path) as opened:
        yield opened


async def begun(rig: Rig, host: ModelHost, name: str = "a.safetensors") -> DownloadJob:
    """Return a job of which something is on the disk."""
    job = await rig.service.download_preset(rig.preset(name, host, {name: MODEL}, SLOW))
    await eventually(lambda: asyncio.to_thread(partial_bytes, rig.path(name)))
    return job


async def remains(rig: Rig, name: str = "a.safetensors") -> list[str]:
    """Return the names of what lies in the folder of a file beside other files."""
    folder = rig.path(name).parent
    return await asyncio.to_thread(lambda: sorted(path.name for path in folder.glob(f"{name}*")))


async def age(path: Path, days: float) -> None:
    """Let a file and its neighbours be older than they are."""
    then = utc_now().timestamp() - days * 86400
    for each in await asyncio.to_thread(lambda: list(path.parent.glob(f"{path.name}*"))):
        await asyncio.to_thread(os.utime, each, (then, then))


@pytest.mark.parametrize("forgotten", [False, True])
async def test_what_a_cancelled_job_left_goes_after_a_week(rig: Rig, model_host: ModelHost, forgotten: bool) -> None:
    """The part and its state stay for seven days and then go, also when the job has been taken from the history."""
    job = await begun(rig, model_host)
    await rig.service.cancel(job.id)
    if forgotten:
        await rig.service.remove(job.id)
    kept = ["a.safetensors.part", "a.safetensors.part.json"]
    assert await rig.service.tidy(utc_now() + timedelta(days=6.9)) == []
    assert await remains(rig) == kept
    assert await rig.service.tidy(utc_now() + timedelta(days=7.1)) == [rig.path("a.safetensors")]
    assert await remains(rig) == []


async def test_the_week_begins_with_the_cancel(rig: Rig, model_host: ModelHost) -> None:
    """Bytes that a paused job has had for a month are kept for another week when it is cancelled."""
    job = await begun(rig, model_host)
    await rig.service.pause(job.id)
    await age(rig.path("a.safetensors"), days=30)
    await rig.service.cancel(job.id)
    assert await rig.service.tidy(utc_now() + timedelta(days=6.9)) == []
    assert await rig.service.tidy(utc_now() + timedelta(days=7.1)) == [rig.path("a.safetensors")]


async def test_what_a_job_may_go_on_with_is_never_tidied(rig: Rig, model_host: ModelHost) -> None:
    """Paused and failed jobs find their bytes, however long they were left alone."""
    paused = await begun(rig, model_host, "paused.safetensors")
    await rig.service.pause(paused.id)
    failed = await begun(rig, model_host, "failed.safetensors")
    await rig.service.pause(failed.id)
    model_host.put("/failed.safetensors", MODEL, Status(404, methods=("GET", "HEAD")))
    await rig.service.resume(failed.id)
    await rig.until(failed.id, "failed")
    assert await remains(rig, "failed.safetensors") == ["failed.safetensors.part", "failed.safetensors.part.json"]

    assert await rig.service.tidy(utc_now() + timedelta(days=365)) == []
    model_host.put("/failed.safetensors", MODEL)
    await rig.service.retry(failed.id)
    await rig.service.resume(paused.id)
    for job in (paused, failed):
        await rig.until(job.id, "completed")


async def test_a_part_of_another_program_is_left_alone(rig: Rig) -> None:
    """Only what our own state vouches for is ours to delete."""
    folder = rig.path("x").parent
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    foreign = {"b.safetensors.part": "bytes", "b.safetensors.part.json": '{"done": 0.5}', "c.safetensors.part": ""}
    for name, text in foreign.items():
        await asyncio.to_thread((folder / name).write_text, text, "utf-8")
    assert await rig.service.tidy(utc_now() + timedelta(days=365)) == []
    assert [name for name in foreign if not (folder / name).exists()] == []


async def test_models_on_a_linked_volume_are_tidied_too(rig: Rig, model_host: ModelHost, tmp_path: Path) -> None:
    """A folder that leads to another volume, and back again, is walked through once."""
    volume = tmp_path / "volume"
    link = rig.path("a.safetensors").parent

    def lead_away() -> None:
        volume.mkdir()
        (volume / "back").symlink_to(rig.models)
        if link.is_dir():
            link.rmdir()
        link.symlink_to(volume)

    await asyncio.to_thread(lead_away)
    job = await begun(rig, model_host)
    await rig.service.cancel(job.id)
    await rig.service.remove(job.id)
    assert len(await rig.service.tidy(utc_now() + timedelta(days=8))) == 1
    assert await remains(rig) == []


async def test_a_start_tidies(rig: Rig, model_host: ModelHost) -> None:
    """Nobody has to ask: what is due is gone soon after Hearth has started."""
    job = await begun(rig, model_host)
    await rig.service.cancel(job.id)
    await rig.service.remove(job.id)
    await age(rig.path("a.safetensors"), days=8)
    await rig.restart()

    async def gone() -> bool:
        return await remains(rig) == []

    await eventually(gone)
