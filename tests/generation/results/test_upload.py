"""Copies in a bucket: every result gets one in the end, whatever stands in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from backend.generation.results import ItemShown, RemoteCopy, UploadPace
from backend.sources import Bucket
from tests.fakes.s3 import BucketHost, Refusal
from tests.generation.results.rig import ADMIN, House, png, wav
from tests.secret_watch import secret

pytestmark = pytest.mark.anyio

OpenHouse = Callable[..., Awaitable[House]]
QUICK = UploadPace(base_s=0.02, cap_s=0.05, look_s=0.1)
DEADLINE_S = 20


def bucket_at(host: BucketHost, **other: str) -> Bucket:
    settings = {
        "url": f"s3://{host.bucket}/hearth", "endpoint": host.url, "region": host.region,
        "access_key_id": host.access_key_id, "secret_access_key": host.secret_access_key, **other,
    }  # fmt: skip
    return Bucket(settings.pop("url"), **settings)


async def end(house: House, job_id: str) -> None:
    """Do what the end of a job does."""
    assert house.results.uploader is not None
    await house.database.write(house.results.uploader.begin(job_id))
    house.results.uploader.wake()


async def until(house: House, holds: Callable[[list[RemoteCopy]], bool], **filters: Any) -> list[ItemShown]:
    """Wait until what the gallery says of all copies is so."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                items = await house.all(**filters)
                if items and holds([item.remote for item in items if item.remote is not None]):
                    return items
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"it did not come to that: {[item.remote for item in items]}") from None


def are(*states: str) -> Callable[[list[RemoteCopy]], bool]:
    return lambda copies: sorted(copy.state for copy in copies) == sorted(states)


def fail_with(code: str, number: int = 1) -> Callable[[list[RemoteCopy]], bool]:
    return lambda copies: [copy.error["code"] for copy in copies if copy.error] == [code] * number


async def test_results_and_sidecars_are_copied(open_house: OpenHouse, bucket_host: BucketHost) -> None:
    """Under the names that they have in the workspace, each with its type; the gallery says where."""
    house = await open_house(remote=bucket_at(bucket_host), upload_pace=QUICK)
    await house.keep({"a.png": png(), "b.wav": wav()})
    await end(house, "job1")
    items = await until(house, are("uploaded", "uploaded"))

    assert {key: stored.content_type for key, stored in bucket_host.objects.items()} == {
        "hearth/2026-11/job1/01.png": "image/png",
        "hearth/2026-11/job1/01.json": "application/json",
        "hearth/2026-11/job1/02.wav": "audio/wav",
        "hearth/2026-11/job1/02.json": "application/json",
    }
    for key, stored in bucket_host.objects.items():
        assert stored.body == (house.outputs / key.removeprefix("hearth/")).read_bytes()
    assert {item.remote.url for item in items if item.remote} == {
        "s3://pictures/hearth/2026-11/job1/01.png", "s3://pictures/hearth/2026-11/job1/02.wav",
    }  # fmt: skip
    assert house.results.uploader is not None
    report = await house.results.uploader.report()
    assert (report.waiting, report.uploaded, report.failed, report.error) == (0, 2, 0, None)
    assert report.url == "s3://pictures/hearth/"


async def test_without_a_bucket_nothing_is_said(house: House) -> None:
    """No copy, and nothing that waits."""
    await house.keep({"a.png": png()})

    assert (await house.all())[0].remote is None
    assert house.results.uploader is None


async def test_a_host_that_comes_back_gets_everything(open_house: OpenHouse, bucket_host: BucketHost) -> None:
    """While it is away every result says so, also those that were not tried; afterwards none does."""
    bucket_host.stop()
    house = await open_house(remote=bucket_at(bucket_host), upload_pace=QUICK)
    for number in range(5):
        await house.keep({"a.png": png(number)}, f"job{number}")
        await end(house, f"job{number}")
    await until(house, fail_with("bucket_unreachable", 5))
    await asyncio.to_thread(bucket_host.start)
    items = await until(house, are(*["uploaded"] * 5))

    assert len(bucket_host.objects) == 10
    assert all(item.remote is not None and item.remote.error is None for item in items)


async def test_wrong_keys_are_named_and_right_ones_go_on(
    open_house: OpenHouse, bucket_host: BucketHost, tmp_path: Path
) -> None:
    """After a start with the right ones, at once; neither stands in the database."""
    wrong = secret("wrong S3 secret")
    slow = UploadPace(base_s=1000, cap_s=1000, look_s=1000)
    house = await open_house(remote=bucket_at(bucket_host, secret_access_key=wrong), upload_pace=slow)
    await house.keep({"a.png": png()})
    await end(house, "job1")
    items = await until(house, fail_with("bucket_keys_refused"))
    assert items[0].remote is not None
    assert items[0].remote.state == "waiting"
    assert items[0].remote.error is not None
    assert "RESULTS_S3_SECRET_ACCESS_KEY" in items[0].remote.error["hint"]

    house = await open_house(remote=bucket_at(bucket_host), upload_pace=slow)
    await until(house, are("uploaded"))
    stored = b"".join(path.read_bytes() for path in (tmp_path / "database").iterdir())
    for word in (wrong, bucket_host.secret_access_key, bucket_host.access_key_id):
        assert word.encode() not in stored


async def test_a_bucket_that_is_missing_is_named(open_house: OpenHouse, bucket_host: BucketHost) -> None:
    """And gets everything once somebody has made it."""
    house = await open_house(remote=bucket_at(bucket_host, url="s3://made-later"), upload_pace=QUICK)
    await house.keep({"a.png": png()})
    await end(house, "job1")
    await until(house, fail_with("bucket_not_found"))
    bucket_host.bucket = "made-later"

    await until(house, are("uploaded"))


async def test_trouble_with_the_bucket_is_not_met_by_everything(open_house: OpenHouse, bucket_host: BucketHost) -> None:
    """The two that were under way meet it; all others wait until one has found that it is over."""
    bucket_host.refuses_always = Refusal(403, "AccessDenied")
    slow = UploadPace(base_s=1000, cap_s=1000, look_s=1000)
    house = await open_house(remote=bucket_at(bucket_host), upload_pace=slow)
    for number in range(5):
        await house.keep({"a.png": png(number)}, f"job{number}")
    for number in range(5):
        await end(house, f"job{number}")
    await until(house, fail_with("bucket_access_denied", 5))
    assert house.results.uploader is not None
    report = await house.results.uploader.report()

    assert len(bucket_host.requests) <= 2
    assert (report.waiting, report.error and report.error["code"]) == (5, "bucket_access_denied")
    assert report.retry_in_s is not None
    assert report.retry_in_s > 400


async def test_one_that_is_refused_holds_up_no_other(open_house: OpenHouse, bucket_host: BucketHost) -> None:
    """It is tried some times, then given up, and tried again by the next start."""
    bucket_host.key_refusals["hearth/2026-11/job1/01.png"] = Refusal(400, "EntityTooLarge")
    house = await open_house(remote=bucket_at(bucket_host), upload_pace=QUICK)
    await house.keep({"a.png": png(1), "b.png": png(2), "c.png": png(3)})
    await end(house, "job1")
    items = await until(house, are("failed", "uploaded", "uploaded"))
    failed = next(item for item in items if item.remote and item.remote.state == "failed")
    assert failed.remote is not None
    assert failed.remote.error is not None
    assert failed.remote.error["code"] == "object_refused"
    assert sum(seen.status == 400 for seen in bucket_host.requests) == 10

    bucket_host.key_refusals.clear()
    house = await open_house(remote=bucket_at(bucket_host), upload_pace=QUICK)
    await until(house, are("uploaded", "uploaded", "uploaded"))


async def test_what_lies_in_the_trash_waits_there(open_house: OpenHouse, bucket_host: BucketHost) -> None:
    """It is copied when it is brought back, and not before."""
    house = await open_house(remote=bucket_at(bucket_host), upload_pace=QUICK)
    kept, thrown = await house.keep({"a.png": png(1), "b.png": png(2)})
    await house.results.disposal.remove([thrown.id], ADMIN)
    await end(house, "job1")
    await until(house, are("uploaded"))
    assert {item.id for item in await house.all(trashed=True)} == {thrown.id}
    assert not any("/02." in key for key in bucket_host.objects)

    await house.results.disposal.restore(ADMIN, ids=[thrown.id])
    items = await until(house, are("uploaded", "uploaded"))
    assert {item.id for item in items} == {kept.id, thrown.id}


async def test_what_was_taken_away_is_given_up(open_house: OpenHouse, bucket_host: BucketHost) -> None:
    """A result without its file cannot be copied; one without its sidecar can."""
    bucket_host.stop()
    house = await open_house(remote=bucket_at(bucket_host), upload_pace=QUICK)
    await house.keep({"a.png": png(1), "b.png": png(2)})
    await asyncio.to_thread((house.outputs / "2026-11/job1/01.png").unlink)
    await asyncio.to_thread((house.outputs / "2026-11/job1/02.json").unlink)
    await end(house, "job1")
    await asyncio.to_thread(bucket_host.start)
    await until(house, are("failed", "uploaded"))

    assert list(bucket_host.objects) == ["hearth/2026-11/job1/02.png"]


async def test_what_is_deleted_for_good_is_forgotten(open_house: OpenHouse, bucket_host: BucketHost) -> None:
    """Nothing waits for it; its copy stays in the bucket."""
    house = await open_house(remote=bucket_at(bucket_host), upload_pace=QUICK)
    results = await house.keep({"a.png": png(1)})
    await end(house, "job1")
    await until(house, are("uploaded"))
    await house.results.disposal.remove([results[0].id], ADMIN)
    await house.results.disposal.empty_trash(ADMIN)
    assert house.results.uploader is not None
    report = await house.results.uploader.report()

    assert (report.waiting, report.uploaded, report.failed) == (0, 0, 0)
    assert "hearth/2026-11/job1/01.png" in bucket_host.objects


async def test_a_job_that_ends_twice_is_copied_once(open_house: OpenHouse, bucket_host: BucketHost) -> None:
    """A retry that adds results brings those alone."""
    house = await open_house(remote=bucket_at(bucket_host), upload_pace=QUICK)
    await house.keep({"a.png": png(1)})
    await end(house, "job1")
    await until(house, are("uploaded"))
    await end(house, "job1")
    await house.keep({"b.png": png(2)}, "job2")
    await end(house, "job2")
    await until(house, are("uploaded", "uploaded"))

    assert len(bucket_host.requests) == 4
