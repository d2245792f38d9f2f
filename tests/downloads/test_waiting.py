"""What waits for somebody or something: a token, a licence, space on the disk."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.downloads import parking, partial_bytes
from tests import secret_watch
from tests.downloads.rig import Rig, eventually
from tests.fakes.content import Content
from tests.fakes.faults import NeedsToken, Slow
from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import ModelHost

pytestmark = pytest.mark.anyio

MIB = 1 << 20
MODEL = Content.safetensors(3 * MIB, seed=1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A workspace on a file system of 16 MiB."""
    mount = tmp_path / "volume"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", mount], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("this machine does not let the tests mount a file system")
    try:
        yield mount / "workspace"
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


async def test_a_gated_file_waits_for_its_token(tmp_path: Path, hugging_face: HuggingFaceHub) -> None:
    """Blocked with the reason, also after a restart; a token for that host lets it go on by itself."""
    hugging_face.add("ada/model", "unet.safetensors", MODEL)
    hugging_face.gate("ada/model")
    token = hugging_face.account("bob")
    hugging_face.accept("ada/model", "bob")
    async with Rig(tmp_path, hf_endpoint=hugging_face.endpoint) as rig:
        job = await rig.service.download_url(hugging_face.public_url("ada/model", "unet.safetensors"), "loras")
        blocked = await rig.until(job.id, "blocked")
        assert blocked.error is not None
        assert blocked.error["code"] == "gated_no_token"
        await rig.restart()
        assert (await rig.service.get_progress(job.id)).state == "blocked"
        await rig.tokens.set("civitai.com", secret_watch.secret("another token"))
        assert (await rig.service.get_progress(job.id)).state == "blocked"
        await rig.tokens.set("huggingface.co", token)
        await rig.until(job.id, "completed")


async def test_a_licence_is_waited_for_and_checked_again(tmp_path: Path, hugging_face: HuggingFaceHub) -> None:
    """Accepting it happens elsewhere, so a person says when; the rest of the job does not wait."""
    hugging_face.add("ada/model", "unet.safetensors", MODEL)
    hugging_face.gate("ada/model")
    token = hugging_face.account("bob")
    async with Rig(tmp_path, hf_endpoint=hugging_face.endpoint) as rig:
        await rig.tokens.set("huggingface.co", token)
        job = await rig.service.download_url(hugging_face.public_url("ada/model", "unet.safetensors"), "loras")
        blocked = await rig.until(job.id, "blocked")
        assert blocked.error is not None
        assert blocked.error["code"] == "gated_licence_not_accepted"
        hugging_face.accept("ada/model", "bob")
        await rig.service.retry(job.id)
        await rig.until(job.id, "completed")


async def test_a_blocked_file_does_not_hold_up_the_others(tmp_path: Path, model_host: ModelHost) -> None:
    """The free files of a preset are fetched while one waits for a token."""
    token = secret_watch.secret("token of a host")
    async with Rig(tmp_path) as rig:
        preset = rig.preset("two", model_host, {"gated.safetensors": MODEL, "free.safetensors": MODEL})
        model_host.put("/gated.safetensors", MODEL, NeedsToken(token, methods=("GET", "HEAD")))
        job = await rig.until((await rig.service.download_preset(preset)).id, "blocked")
        await rig.until(job.id, lambda shown: shown.files[1].state == "completed")
        assert next(file.state for file in job.files) == "blocked"
        await rig.tokens.set(model_host.authority, token)
        await rig.until(job.id, "completed")


async def test_a_job_that_does_not_fit_is_parked_with_the_numbers(tmp_path: Path, model_host: ModelHost) -> None:
    """Nothing is asked of the host; the reserve counts; a smaller reserve lets it go on."""
    async with Rig(tmp_path, reserve_bytes=1 << 62) as rig:
        job = await rig.service.download_preset(rig.preset("one", model_host, {"a.safetensors": MODEL}))
        assert job.state == "blocked"
        assert job.error is not None
        assert job.error["code"] == "not_enough_space"
        details = job.error["details"]
        assert (details["need_bytes"], details["reserve_bytes"], details["queued_bytes"]) == (MODEL.size, 1 << 62, 0)
        assert details["free_bytes"] > 0
        assert model_host.requests == []
        await rig.restart()
        assert (await rig.service.get_progress(job.id)).state == "blocked"

        rig.reserve_bytes = 0
        rig.service.set_reserve(0)
        await rig.until(job.id, "completed")


async def test_the_plan_counts_what_is_queued_before(tmp_path: Path, small_disk: Path, model_host: ModelHost) -> None:
    """Two jobs that fit alone but not together: the second waits until the first is cancelled."""
    large = Content.safetensors(9 * MIB, seed=5)
    async with Rig(tmp_path, workspace=small_disk) as rig:
        one = await rig.service.download_preset(
            rig.preset("one", model_host, {"a.safetensors": large}, Slow(1_000_000))
        )
        two = await rig.service.download_preset(rig.preset("two", model_host, {"b.safetensors": large}))
        assert two.state == "blocked"
        assert two.error is not None
        assert two.error["details"]["need_bytes"] == large.size
        tiny = await rig.service.download_preset(rig.preset("tiny", model_host, {"c.safetensors": MODEL}))
        await rig.until(tiny.id, "completed")
        assert (await rig.service.get_progress(one.id)).state == "downloading"

        await rig.service.cancel(one.id, keep_partial=False)
        await rig.until(two.id, "completed")


async def test_a_disk_that_fills_up_parks_the_job_and_keeps_what_arrived(
    tmp_path: Path, small_disk: Path, model_host: ModelHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else takes the space on the way; when it is free again, the job goes on by itself from there."""
    monkeypatch.setattr(parking, "SPACE_CHECK_S", 0.5)
    monkeypatch.setattr("backend.downloads.dispatch.SPACE_CHECK_S", 0.5)
    large = Content.safetensors(9 * MIB, seed=6)
    async with Rig(tmp_path, workspace=small_disk) as rig:
        job = await rig.service.download_preset(
            rig.preset("one", model_host, {"a.safetensors": large}, Slow(3_000_000))
        )
        await eventually(lambda: asyncio.to_thread(partial_bytes, rig.path("a.safetensors")))
        hog = small_disk / "hog"
        await asyncio.to_thread(fill, hog)
        blocked = await rig.until(job.id, "blocked")
        assert blocked.error is not None
        assert blocked.error["code"] in ("no_space", "not_enough_space")
        assert {"need_bytes", "free_bytes", "reserve_bytes"} <= set(blocked.error["details"])
        assert rig.part("a.safetensors").exists()
        await asyncio.to_thread(hog.unlink)
        await rig.until(job.id, "completed")
        assert large.is_in(rig.path("a.safetensors"))


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 65536)


async def test_space_is_looked_for_only_while_something_waits_for_it(tmp_path: Path, model_host: ModelHost) -> None:
    """The timer stands while a job is parked and is gone with it."""
    async with Rig(tmp_path, reserve_bytes=1 << 62) as rig:
        job = await rig.service.download_preset(rig.preset("one", model_host, {"a.safetensors": MODEL}))
        dispatcher = rig.service._dispatcher
        assert dispatcher._space_check is not None
        await rig.service.cancel(job.id)
        assert dispatcher._space_check is None
