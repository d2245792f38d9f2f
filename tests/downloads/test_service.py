"""The life of a job, from the request to a verified file in its folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.downloads.errors import (
    DownloadNotFound,
    FileNameUnknown,
    IllegalDownloadState,
    InvalidDownloadRequest,
    WantedOtherwise,
)
from backend.paths import UnknownCategory, UnsafePath
from backend.sources import SourceError
from tests.downloads.rig import Rig
from tests.fakes.content import Content
from tests.fakes.faults import HtmlPage, Slow, Status
from tests.fakes.model_host import ModelHost

pytestmark = pytest.mark.anyio

SMALL = Content.safetensors(300_000, seed=1)
LARGE = Content.safetensors(6_000_000, seed=2)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A queue."""
    async with Rig(tmp_path) as opened:
        yield opened


async def test_a_preset_ends_as_verified_files(rig: Rig, model_host: ModelHost) -> None:
    """Every file lies in its folder, whole, recorded as verified; the answer to the request shows the stored job."""
    files = {"a.safetensors": SMALL, "b.safetensors": LARGE}
    asked = await rig.service.download_preset(rig.preset("two", model_host, files))
    assert asked.state in ("queued", "resolving", "downloading")
    assert asked.bytes_total == SMALL.size + LARGE.size
    job = await rig.until(asked.id, "completed")

    assert (job.kind, job.name, job.preset_id, job.position) == ("preset", "TWO", "two", None)
    assert job.bytes_done == job.bytes_total == SMALL.size + LARGE.size
    assert job.progress_ratio == 1.0
    assert job.error is None
    assert job.started_at is not None
    assert job.finished_at is not None
    for name, content in files.items():
        assert content.is_in(rig.path(name))
        record = await rig.ledger.lookup(rig.path(name))
        assert record is not None
        assert (record.sha256, record.verified) == (content.sha256, True)
        assert not rig.part(name).exists()
    shown = {file.name: file for file in job.files}
    assert shown["a.safetensors"].path == str(rig.path("a.safetensors"))
    assert shown["a.safetensors"].sha256 == SMALL.sha256
    assert shown["a.safetensors"].verified is True


async def test_the_steps_are_told_in_order(rig: Rig, model_host: ModelHost) -> None:
    """Every change of state is an event with the whole job; numbers come while bytes do, and nothing after the end."""
    preset = rig.preset("one", model_host, {"a.safetensors": LARGE}, Slow(6_000_000))
    job = await rig.service.download_preset(preset)
    await rig.until(job.id, "completed")

    states = [event.data["state"] for event in await rig.told("download.changed", job.id)]
    steps = [state for index, state in enumerate(states) if index == 0 or states[index - 1] != state]
    assert steps[:3] == ["queued", "resolving", "downloading"]
    assert steps[-1] == "completed"
    numbers = await rig.told("download.progress", job.id)
    assert numbers
    assert {"id", "state", "bytes_done", "speed_bytes_s", "eta_s", "files"} <= set(numbers[0].data)
    assert [event.data["order"] for event in await rig.told("download.queue")] == [[job.id], []]
    assert rig.events[-1].type in ("download.changed", "download.queue")


async def test_nothing_runs_when_nothing_is_to_be_done(rig: Rig, model_host: ModelHost) -> None:
    """An idle queue has no task and no timer."""
    job = await rig.service.download_preset(rig.preset("one", model_host, {"a.safetensors": SMALL}))
    await rig.until(job.id, "completed")
    async with asyncio.timeout(5):
        while [task for task in asyncio.all_tasks() if task.get_name().startswith("download")]:
            await asyncio.sleep(0.01)


async def test_the_same_preset_twice_is_one_job(rig: Rig, model_host: ModelHost) -> None:
    """Asked for again while it runs, the same job is answered; asked for when all is there, nothing is fetched."""
    preset = rig.preset("one", model_host, {"a.safetensors": LARGE}, Slow(6_000_000))
    first, second = await asyncio.gather(rig.service.download_preset(preset), rig.service.download_preset(preset))
    assert first.id == second.id
    await rig.until(first.id, "completed")
    sent = model_host.bytes_sent
    third = await rig.service.download_preset(preset)

    assert third.state == "completed"
    assert model_host.bytes_sent == sent
    assert (await rig.service.list()).total == 1


async def test_files_that_are_there_cost_no_network(rig: Rig, model_host: ModelHost) -> None:
    """A verified file of another preset is completed at once; only the rest is fetched."""
    one = await rig.service.download_preset(rig.preset("one", model_host, {"a.safetensors": SMALL}))
    await rig.until(one.id, "completed")
    files = {"a.safetensors": SMALL, "b.safetensors": LARGE}
    two = await rig.service.download_preset(rig.preset("two", model_host, files))

    assert two.files[0].state == "completed"
    await rig.until(two.id, "completed")
    assert sum(seen.bytes_sent for seen in model_host.requests_of("/a.safetensors")) == SMALL.size


async def test_an_unverified_file_is_read_instead_of_fetched(rig: Rig, model_host: ModelHost) -> None:
    """The user's own copy with the right checksum is taken over without one byte of network."""
    path = rig.path("a.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    LARGE.write_to(path)
    job = await rig.service.download_preset(rig.preset("one", model_host, {"a.safetensors": LARGE}))
    done = await rig.until(job.id, "completed")

    assert done.files[0].verified is True
    assert model_host.requests == []
    assert await rig.ledger.lookup(path) is not None


async def test_a_file_that_nobody_vouches_for_must_at_least_look_right(rig: Rig, model_host: ModelHost) -> None:
    """Without any checksum a file of the right size is kept as unverified; a web page under its name is not."""
    whole, page = rig.path("whole.safetensors"), rig.path("page.safetensors")
    whole.parent.mkdir(parents=True, exist_ok=True)
    SMALL.write_to(whole)
    page.write_bytes(b"<!DOCTYPE html>" + b" " * (SMALL.size - 15))
    names = {"whole.safetensors": SMALL, "page.safetensors": SMALL}
    job = await rig.service.download_preset(rig.preset("one", model_host, names, sha256=None))
    done = await rig.until(job.id, "completed")

    assert [file.verified for file in done.files] == [False, False]
    assert model_host.requests_of("/whole.safetensors") == []
    assert SMALL.is_in(page)


async def test_a_damaged_file_is_replaced_only_by_a_verified_one(rig: Rig, model_host: ModelHost) -> None:
    """As long as the new content is not verified, the old file stays as it is."""
    path = rig.path("a.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    damaged = Content.random(LARGE.size, seed=9).write_to(path).read_bytes()
    preset = rig.preset("one", model_host, {"a.safetensors": LARGE}, HtmlPage())
    failed = await rig.until((await rig.service.download_preset(preset)).id, "failed")
    assert failed.error is not None
    assert path.read_bytes() == damaged

    model_host.put("/a.safetensors", LARGE)
    await rig.service.retry(failed.id)
    await rig.until(failed.id, "completed")
    assert LARGE.is_in(path)


async def test_a_failed_file_does_not_keep_the_others_from_finishing(rig: Rig, model_host: ModelHost) -> None:
    """The job has failed when nothing of it runs any more, and a retry fetches only what is not there."""
    preset = rig.preset("two", model_host, {"bad.safetensors": SMALL, "good.safetensors": LARGE})
    model_host.put("/bad.safetensors", SMALL, Status(404, methods=("GET", "HEAD")))
    job = await rig.until((await rig.service.download_preset(preset)).id, "failed")
    assert {file.name: file.state for file in job.files} == {
        "bad.safetensors": "failed",
        "good.safetensors": "completed",
    }
    assert job.error is not None
    assert job.error["code"] == "file_not_found"
    assert {"code", "message", "hint"} <= set(job.error)

    model_host.put("/bad.safetensors", SMALL)
    sent = model_host.bytes_sent
    await rig.service.retry(job.id)
    job = await rig.until(job.id, "completed")
    assert model_host.bytes_sent - sent == SMALL.size
    assert job.error is None


async def test_a_url_of_the_users_own(rig: Rig, model_host: ModelHost) -> None:
    """The name comes from the address; the file ends in the chosen folder; asked twice, it is one job."""
    url = model_host.put("/files/my%20model.safetensors", LARGE, Slow(6_000_000))
    job = await rig.service.download_url(url, "loras", sha256=LARGE.sha256.upper())
    again = await rig.service.download_url(url, "loras", sha256=LARGE.sha256)
    assert again.id == job.id
    done = await rig.until(job.id, "completed")

    assert (done.kind, done.name, done.preset_id) == ("url", "my model.safetensors", None)
    assert LARGE.is_in(rig.path("my model.safetensors", "loras"))
    assert done.files[0].verified is True


async def test_a_url_without_a_checksum_is_recorded_as_unverified(rig: Rig, model_host: ModelHost) -> None:
    """Nobody promised a checksum, so nobody can say that it is right."""
    job = await rig.service.download_url(model_host.put("/x.safetensors", SMALL), "vae", "named.safetensors")
    done = await rig.until(job.id, "completed")
    assert done.files[0].verified is False
    assert done.files[0].sha256 == SMALL.sha256


async def test_the_host_is_asked_for_a_name(rig: Rig, model_host: ModelHost) -> None:
    """An address such as /download/123 names no file, so its Content-Disposition does; else the request is refused."""
    named = Content.safetensors(300_000, seed=5, filename="from host.safetensors")
    job = await rig.service.download_url(model_host.put("/download/123", named), "loras")
    assert job.name == "from host.safetensors"
    await rig.until(job.id, "completed")
    with pytest.raises(FileNameUnknown) as refused:
        await rig.service.download_url(model_host.put("/download/124", SMALL), "loras")
    assert refused.value.status == 422
    assert "name" in refused.value.hint


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (("https://a.test/x.bin", "nowhere", None, None), UnknownCategory),
        (("https://a.test/x.bin", "loras", "../../x.bin", None), UnsafePath),
        (("https://a.test/x.bin", "../loras", None, None), (UnsafePath, UnknownCategory)),
        (("ftp://a.test/x.bin", "loras", None, None), SourceError),
        (("https://a.test/x.bin?token=abcdefghijk", "loras", None, None), SourceError),
        (("https://a.test/x.bin", "loras", None, "abc"), InvalidDownloadRequest),
    ],
)
async def test_a_request_that_cannot_be_meant_is_refused_before_a_job_is_made(rig: Rig, request_, error) -> None:
    """Status 422 and a hint; the queue stays empty."""
    with pytest.raises(error) as refused:
        await rig.service.download_url(*request_)
    assert refused.value.status == 422
    assert refused.value.hint
    assert (await rig.service.list()).total == 0


async def test_one_place_cannot_get_two_contents(rig: Rig, model_host: ModelHost) -> None:
    """Another content for a place that is being filled is refused, and so is a user's file that is there already."""
    preset = rig.preset("one", model_host, {"a.safetensors": LARGE}, Slow(2_000_000))
    job = await rig.service.download_preset(preset)
    other = model_host.put("/other/a.safetensors", SMALL)
    with pytest.raises(WantedOtherwise) as refused:
        await rig.service.download_url(other, "checkpoints")
    assert refused.value.details["job_id"] == job.id
    await rig.service.cancel(job.id, keep_partial=False)

    path = rig.path("a.safetensors")
    await asyncio.to_thread(path.write_bytes, b"the user's own")
    taken = await rig.until((await rig.service.download_url(other, "checkpoints")).id, "failed")
    assert taken.error is not None
    assert taken.error["code"] == "destination_taken"
    assert path.read_bytes() == b"the user's own"


async def test_history_is_listed_filtered_and_cleared(rig: Rig, model_host: ModelHost) -> None:
    """What has ended is listed after the queue, newest first; forgetting it leaves the files."""
    done = await rig.service.download_preset(rig.preset("one", model_host, {"a.safetensors": SMALL}))
    await rig.until(done.id, "completed")
    model_host.put("/missing.safetensors", SMALL, Status(404, methods=("GET", "HEAD")))
    failed = await rig.service.download_url(model_host.url("/missing.safetensors"), "loras")
    await rig.until(failed.id, "failed")
    running = await rig.service.download_preset(rig.preset("big", model_host, {"b.safetensors": LARGE}, Slow(500_000)))
    await rig.until(running.id, "downloading")

    page = await rig.service.list()
    assert [job.id for job in page.items] == [running.id, failed.id, done.id]
    assert [job.id for job in (await rig.service.list(active=True)).items] == [running.id]
    assert [job.id for job in (await rig.service.list(states=("failed",))).items] == [failed.id]
    assert [job.id for job in (await rig.service.list(preset_id="one")).items] == [done.id]
    assert [job.id for job in (await rig.service.list(query="MISSING")).items] == [failed.id]
    second = await rig.service.list(limit=1, offset=1)
    assert ([job.id for job in second.items], second.total) == ([failed.id], 3)
    assert (page.queue.active, page.queue.waiting, page.queue.paused) == (1, 0, False)
    assert 0 < page.queue.bytes_left <= LARGE.size

    with pytest.raises(IllegalDownloadState):
        await rig.service.remove(running.id)
    await rig.service.remove(failed.id)
    assert await rig.service.clear_history() == 1
    with pytest.raises(DownloadNotFound):
        await rig.service.get_progress(done.id)
    assert [event.key for event in await rig.told("download.removed")] == [failed.id, done.id]
    assert SMALL.is_in(rig.path("a.safetensors"))


async def test_what_has_ended_cannot_be_steered(rig: Rig, model_host: ModelHost) -> None:
    """Illegal moves are refused with the state; the four methods of the roadmap answer False."""
    job = await rig.service.download_preset(rig.preset("one", model_host, {"a.safetensors": SMALL}))
    await rig.until(job.id, "completed")
    for command in (rig.service.pause, rig.service.resume, rig.service.cancel, rig.service.retry):
        with pytest.raises(IllegalDownloadState) as refused:
            await command(job.id)
        assert refused.value.details == {"state": "completed"}
    with pytest.raises(IllegalDownloadState):
        await rig.service.move(job.id, 0)
    assert await rig.service.cancel_download(job.id) is False
    assert await rig.service.retry_failed(job.id) is False
    assert (await rig.service.get_progress(job.id)).state == "completed"
