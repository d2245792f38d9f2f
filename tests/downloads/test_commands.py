"""Steering what runs: cancel, pause, resume, sharing, order; and what survives a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.downloads import partial_bytes
from backend.downloads.errors import IllegalDownloadState
from backend.kit.clock import monotonic_s
from tests.downloads.rig import Rig
from tests.fakes.content import Content
from tests.fakes.faults import Delay, Slow, Stall, Status
from tests.fakes.model_host import ModelHost

pytestmark = pytest.mark.anyio

SLOW = Slow(2_000_000)
FILES = [Content.safetensors(6_000_000, seed=number) for number in range(12)]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A queue."""
    async with Rig(tmp_path) as opened:
        yield opened


def has_bytes(job) -> bool:
    return job.state == "downloading" and job.bytes_done > 500_000


async def test_cancel_closes_the_connection_and_keeps_what_arrived(rig: Rig, model_host: ModelHost) -> None:
    """When the answer comes no socket is open any more; the partial file is there, and a retry goes on from it."""
    job = await rig.service.download_preset(rig.preset("one", model_host, {"a.safetensors": FILES[0]}, SLOW))
    await rig.until(job.id, has_bytes)
    began = monotonic_s()
    cancelled = await rig.service.cancel(job.id)

    assert cancelled.state == "cancelled"
    assert monotonic_s() - began < 1
    await model_host.until(lambda seen: all(request.closed_at for request in seen), timeout=2)
    kept = await asyncio.to_thread(partial_bytes, rig.path("a.safetensors"))
    assert kept
    assert not rig.path("a.safetensors").exists()

    model_host.put("/a.safetensors", FILES[0])
    assert await rig.service.retry_failed(job.id) is True
    await rig.until(job.id, "completed")
    assert FILES[0].is_in(rig.path("a.safetensors"))


async def test_cancel_deletes_what_arrived_when_asked(rig: Rig, model_host: ModelHost) -> None:
    """Neither the bytes nor their state stay; cancelling again changes nothing, and also deletes later."""
    job = await rig.service.download_preset(rig.preset("one", model_host, {"a.safetensors": FILES[0]}, SLOW))
    await rig.until(job.id, has_bytes)
    assert await rig.service.cancel_download(job.id) is True
    assert rig.part("a.safetensors").exists()
    assert await rig.service.cancel_download(job.id, keep_partial=False) is True
    assert await asyncio.to_thread(lambda: list(rig.part("a.safetensors").parent.iterdir())) == []


async def test_cancel_frees_a_stuck_queue(tmp_path: Path, model_host: ModelHost) -> None:
    """A silent host cannot hold the only slot against its owner's will."""
    async with Rig(tmp_path, max_parallel=1) as rig:
        stuck = await rig.service.download_preset(
            rig.preset("stuck", model_host, {"a.safetensors": FILES[0]}, Stall(after=1000))
        )
        waiting = await rig.service.download_preset(rig.preset("next", model_host, {"b.safetensors": FILES[1]}))
        await model_host.until(lambda _: model_host.requests_of("/a.safetensors"))
        assert (await rig.service.get_progress(waiting.id)).state == "queued"
        await rig.service.cancel(stuck.id)
        await rig.until(waiting.id, "completed")


async def test_a_race_between_cancel_and_the_last_byte_is_decided_honestly(rig: Rig, model_host: ModelHost) -> None:
    """Either it is cancelled and not there, or it is there and completed; the answer says which."""
    for number, content in enumerate(FILES[:8]):
        name = f"{number}.safetensors"
        job = await rig.service.download_preset(rig.preset(f"p{number}", model_host, {name: content}))
        sent = model_host.bytes_sent
        await rig.until(job.id, lambda shown, least=number / 8: (shown.progress_ratio or 0) >= least)
        answer = await rig.service.cancel_download(job.id)
        shown = await rig.service.get_progress(job.id)
        assert shown.state == ("cancelled" if answer else "completed")
        assert rig.path(name).exists() is not answer
        assert model_host.bytes_sent >= sent


async def test_pause_and_resume_fetch_no_byte_twice(rig: Rig, model_host: ModelHost) -> None:
    """What has arrived is not asked for again, but for the tail that was on the line."""
    preset = rig.preset("one", model_host, {"a.safetensors": FILES[0]}, SLOW)
    job = await rig.service.download_preset(preset)
    await rig.until(job.id, has_bytes)
    paused = await rig.service.pause(job.id)
    assert paused.state == "paused"
    assert 0 < paused.bytes_done < FILES[0].size
    await model_host.until(lambda seen: all(request.closed_at for request in seen), timeout=2)
    durable = await asyncio.to_thread(partial_bytes, rig.path("a.safetensors"))
    assert durable

    model_host.put("/a.safetensors", FILES[0])
    model_host.forget()
    resumed = await rig.service.resume(job.id)
    assert resumed.state in ("queued", "resolving", "downloading")
    await rig.until(job.id, "completed")
    assert FILES[0].is_in(rig.path("a.safetensors"))
    assert model_host.bytes_sent <= FILES[0].size - durable


async def test_everything_can_be_paused(rig: Rig, model_host: ModelHost) -> None:
    """Pausing all stops all, newcomers begin paused, also after a restart; resuming all starts all."""
    job = await rig.service.download_preset(rig.preset("one", model_host, {"a.safetensors": FILES[0]}, SLOW))
    await rig.until(job.id, has_bytes)
    assert (await rig.service.pause_all()).paused is True
    newcomer = await rig.service.download_preset(rig.preset("two", model_host, {"b.safetensors": FILES[1]}))
    assert newcomer.state == "paused"
    await model_host.until(lambda _: model_host.open_answers == 0, timeout=2)
    await rig.restart()
    assert rig.service.totals().paused is True
    assert [shown.state for shown in (await rig.service.list()).items] == ["paused", "paused"]

    assert (await rig.service.resume_all()).paused is False
    await rig.until(job.id, "completed")
    await rig.until(newcomer.id, "completed")
    queue = [event.data["paused"] for event in await rig.told("download.queue")]
    assert queue[-1] is False


async def test_a_file_that_two_jobs_want_is_one_transfer(rig: Rig, model_host: ModelHost) -> None:
    """It is fetched once; each job says with whom it shares; cancelling one lets it go on for the other."""
    shared = {"shared.safetensors": FILES[0]}
    one = await rig.service.download_preset(rig.preset("one", model_host, shared, SLOW))
    await rig.until(one.id, has_bytes)
    rig.presets["two"] = type(rig.presets["one"])("two", "TWO", rig.presets["one"].files)
    two = await rig.service.download_preset("two")
    assert two.state == "downloading"
    assert two.files[0].shared_with == [one.id]
    assert (await rig.service.get_progress(one.id)).files[0].shared_with == [two.id]

    began = monotonic_s()
    cancelled = await rig.service.cancel(one.id, keep_partial=False)
    assert cancelled.state == "cancelled"
    assert monotonic_s() - began < 1
    done = await rig.until(two.id, "completed")
    assert done.files[0].path
    assert FILES[0].is_in(rig.path("shared.safetensors"))
    assert sum(seen.bytes_sent for seen in model_host.requests_of("/shared.safetensors")) < 1.1 * FILES[0].size


async def test_a_paused_owner_gets_the_file_that_another_brings(rig: Rig, model_host: ModelHost) -> None:
    """Pausing one of two owners stops nothing, and in the end both have it."""
    one = await rig.service.download_preset(rig.preset("one", model_host, {"s.safetensors": FILES[0]}, SLOW))
    rig.presets["two"] = type(rig.presets["one"])("two", "TWO", rig.presets["one"].files)
    two = await rig.service.download_preset("two")
    await rig.until(two.id, has_bytes)
    assert (await rig.service.pause(one.id)).state == "paused"
    await rig.until(two.id, "completed")
    await rig.until(one.id, "completed")


async def test_never_more_files_than_allowed_and_in_turn(tmp_path: Path, model_host: ModelHost) -> None:
    """Two jobs of three files and two slots: each job gets one, whichever was first."""
    async with Rig(tmp_path, max_parallel=2) as rig:
        for number, preset in enumerate(("one", "two")):
            names = {f"{preset}{file}.safetensors": FILES[number * 3 + file] for file in range(3)}
            rig.preset(preset, model_host, names, Slow(20_000_000))
        await rig.service.pause_all()
        jobs = [await rig.service.download_preset(preset) for preset in ("one", "two")]
        await rig.service.resume_all()
        most = 0
        while not all(job.state == "completed" for job in jobs):
            jobs = [await rig.service.get_progress(job.id) for job in jobs]
            running = [
                sum(file.state in ("resolving", "downloading", "verifying") for file in job.files) for job in jobs
            ]
            most = max(most, sum(running))
            assert sum(running) <= 2
            await asyncio.sleep(0.005)
        assert most == 2
        heads = [seen.route for seen in model_host.requests if seen.method == "HEAD"]
        assert {heads[0][1:4], heads[1][1:4]} == {"one", "two"}


async def test_more_slots_are_filled_at_once(tmp_path: Path, model_host: ModelHost) -> None:
    """Raising the limit starts what waits; lowering it stops nothing."""
    async with Rig(tmp_path, max_parallel=1) as rig:
        names = {f"{number}.safetensors": FILES[number] for number in range(3)}
        job = await rig.service.download_preset(rig.preset("one", model_host, names, SLOW))
        await rig.until(job.id, lambda shown: [file.state for file in shown.files].count("downloading") == 1)
        rig.service.set_max_parallel(3)
        await rig.until(job.id, lambda shown: all(file.state == "downloading" for file in shown.files))
        rig.service.set_max_parallel(1)
        await rig.until(job.id, "completed")


async def test_the_queue_can_be_reordered(tmp_path: Path, model_host: ModelHost) -> None:
    """A job moved to the front is next, also after a restart, and its priority follows its place."""
    async with Rig(tmp_path, max_parallel=1) as rig:
        running = await rig.service.download_preset(
            rig.preset("r", model_host, {"r.safetensors": FILES[0]}, Stall(after=1000)), priority=5
        )
        await rig.until(running.id, "downloading")
        names = ("a", "b", "c")
        jobs = {
            name: await rig.service.download_preset(
                rig.preset(name, model_host, {f"{name}.safetensors": FILES[index + 1]}), priority=int(name == "b")
            )
            for index, name in enumerate(names)
        }
        assert await order(rig) == ["r", "b", "a", "c"]
        assert (await rig.service.move(jobs["c"].id, 1)).position == 1
        assert await order(rig) == ["r", "c", "b", "a"]
        assert (await rig.service.get_progress(jobs["c"].id)).priority == 1
        await rig.restart()
        assert await order(rig) == ["r", "c", "b", "a"]

        await rig.service.cancel(running.id)
        for job in jobs.values():
            await rig.until(job.id, "completed")
        finished = [(await rig.service.get_progress(jobs[name].id)).finished_at for name in ("c", "b", "a")]
        assert finished == sorted(finished)


async def order(rig: Rig) -> list[str | None]:
    return [job.preset_id for job in (await rig.service.list(active=True)).items]


async def test_after_a_crash_everything_continues(rig: Rig, model_host: ModelHost) -> None:
    """Running jobs go on with the bytes that are durable, paused ones stay paused, ended ones stay ended."""
    done = await rig.service.download_preset(rig.preset("done", model_host, {"d.safetensors": FILES[0]}))
    await rig.until(done.id, "completed")
    paused = await rig.service.download_preset(rig.preset("paused", model_host, {"p.safetensors": FILES[1]}, SLOW))
    await rig.until(paused.id, has_bytes)
    await rig.service.pause(paused.id)
    model_host.put("/404.safetensors", FILES[2], Status(404, methods=("GET", "HEAD")))
    failed = await rig.service.download_url(model_host.url("/404.safetensors"), "loras")
    await rig.until(failed.id, "failed")
    running = await rig.service.download_preset(rig.preset("running", model_host, {"r.safetensors": FILES[3]}, SLOW))
    await rig.until(running.id, has_bytes)
    await rig.crash()

    states = {job.preset_id or "failed": job.state for job in (await rig.service.list()).items}
    assert states.pop("running") in ("queued", "resolving", "downloading")
    assert states == {"done": "completed", "paused": "paused", "failed": "failed"}
    again = await rig.until(running.id, "completed")
    assert FILES[3].is_in(rig.path("r.safetensors"))
    assert again.created_at == running.created_at
    sent = sum(seen.bytes_sent for seen in model_host.requests_of("/r.safetensors"))
    assert sent < 2 * FILES[3].size
    assert (await rig.service.get_progress(paused.id)).bytes_done > 0
    await rig.service.resume(paused.id)
    await rig.until(paused.id, "completed")


async def test_after_a_restart_no_number_is_too_low(rig: Rig, model_host: ModelHost) -> None:
    """From the first snapshot on a job shows the bytes that an earlier life has left, also before its host answers."""
    job = await rig.service.download_preset(rig.preset("one", model_host, {"a.safetensors": FILES[0]}, SLOW))
    await rig.until(job.id, has_bytes)
    model_host.put("/a.safetensors", FILES[0], Delay(0.5))
    left: list[int] = []

    def look_at_the_disk() -> None:
        left.append(partial_bytes(rig.path("a.safetensors")) or 0)
        rig.events.clear()

    await rig.crash_with(look_at_the_disk)
    first = await rig.service.get_progress(job.id)
    await rig.until(job.id, "completed")

    assert first.bytes_done >= left[0] > 0
    told = [*await rig.told("download.changed", job.id), *await rig.told("download.progress", job.id)]
    assert min(event.data["bytes_done"] for event in told) >= left[0]


async def test_a_file_published_just_before_a_crash_is_not_fetched_again(rig: Rig, model_host: ModelHost) -> None:
    """The name is there but nobody recorded it: the file is read, not fetched."""
    path = rig.path("a.safetensors")
    job = await rig.service.download_preset(rig.preset("one", model_host, {"a.safetensors": FILES[0]}, SLOW))
    await rig.until(job.id, has_bytes)
    await rig.crash_with(lambda: FILES[0].write_to(path))
    sent = model_host.bytes_sent
    await rig.until(job.id, "completed")
    assert model_host.bytes_sent == sent


async def test_a_signed_address_is_not_stored_and_asked_for_again(rig: Rig, model_host: ModelHost) -> None:
    """Its signature is in no table; after a restart the job waits for the address, and goes on where it stopped."""
    signature = "s" * 40
    plain = model_host.put("/a.safetensors", FILES[0], SLOW)
    job = await rig.service.download_url(f"{plain}?X-Amz-Signature={signature}", "loras")
    assert signature not in str(job.as_dict())
    await rig.until(job.id, has_bytes)
    await rig.restart()
    stored = await asyncio.to_thread(lambda: b"".join(path.read_bytes() for path in (rig.folder / "config").iterdir()))
    assert signature.encode() not in stored
    blocked = await rig.until(job.id, "blocked")
    assert blocked.error is not None
    assert blocked.error["code"] == "address_not_kept"

    model_host.put("/a.safetensors", FILES[0])
    again = await rig.service.download_url(f"{plain}?X-Amz-Signature={signature}2", "loras")
    assert again.id == job.id
    await rig.until(job.id, "completed")


async def test_a_retry_brings_back_what_was_removed(rig: Rig, model_host: ModelHost) -> None:
    """Of a cancelled job the completed file that somebody deleted since is fetched again."""
    names = {"a.safetensors": FILES[0], "b.safetensors": FILES[1]}
    preset = rig.preset("one", model_host, names)
    model_host.put("/b.safetensors", FILES[1], Stall(after=1000, methods=("GET",)))
    job = await rig.service.download_preset(preset)
    await rig.until(job.id, lambda shown: shown.files[0].state == "completed")
    await rig.service.cancel(job.id)
    await asyncio.to_thread(rig.path("a.safetensors").unlink)
    model_host.put("/b.safetensors", FILES[1])
    await rig.service.retry(job.id)
    await rig.until(job.id, "completed")
    assert FILES[0].is_in(rig.path("a.safetensors"))
    with pytest.raises(IllegalDownloadState):
        await rig.service.retry(job.id)
