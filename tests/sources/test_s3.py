"""Buckets: what arrives there, and what is said when it does not."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.sources import Bucket, BucketError
from backend.sources.s3.address import endpoint_of
from tests.fakes.s3 import BucketHost, Refusal
from tests.secret_watch import secret

pytestmark = pytest.mark.anyio

MB = 1024 * 1024


def bucket_at(host: BucketHost, **other: Any) -> Bucket:
    settings = {
        "url": f"s3://{host.bucket}/hearth", "endpoint": host.url, "region": host.region,
        "access_key_id": host.access_key_id, "secret_access_key": host.secret_access_key, **other,
    }  # fmt: skip
    return Bucket(settings.pop("url"), **settings)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "01.png"
    path.write_bytes(b"a picture")
    return path


async def test_a_file_arrives_below_the_prefix_with_its_type(bucket_host: BucketHost, picture: Path) -> None:
    """Signed, in one request; sent again it is the same object."""
    bucket = bucket_at(bucket_host)
    for _ in range(2):
        await bucket.put("2026-11/a job's/01 ü.png", picture, "image/png")

    ((key, stored),) = bucket_host.objects.items()
    assert (key, stored.body, stored.content_type) == ("hearth/2026-11/a job's/01 ü.png", b"a picture", "image/png")
    assert [seen.method for seen in bucket_host.requests] == ["PUT", "PUT"]
    assert bucket.url_of("2026-11/x/01.png") == "s3://pictures/hearth/2026-11/x/01.png"


async def test_a_large_file_arrives_in_parts(bucket_host: BucketHost, tmp_path: Path) -> None:
    """70 MB, which the host puts together again."""
    path = tmp_path / "01.mp4"
    path.write_bytes(os.urandom(70 * MB))
    await bucket_at(bucket_host).put("01.mp4", path, "video/mp4")

    stored = bucket_host.objects["hearth/01.mp4"]
    assert (stored.size_bytes, stored.parts, stored.content_type) == (70 * MB, 9, "video/mp4")
    assert stored.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


_MEASURE = """
import asyncio, os, resource, sys
from pathlib import Path
from backend.sources import Bucket

async def main():
    bucket = Bucket("s3://pictures", endpoint=sys.argv[1], region="us-east-1",
                    access_key_id=os.environ["KEY_ID"], secret_access_key=os.environ["KEY"])
    for path in sys.argv[2:]:
        await bucket.put(Path(path).name, Path(path), "video/mp4")
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)

asyncio.run(main())
"""


def test_memory_does_not_grow_with_the_file(bucket_host: BucketHost, tmp_path: Path) -> None:
    """The peak in MiB over 70 MB and over 210 MB, in a process of its own, is the same within three parts."""
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(bytes(70 * MB))
    large.write_bytes(bytes(210 * MB))
    environ = {**os.environ, "KEY_ID": bucket_host.access_key_id, "KEY": bucket_host.secret_access_key}
    command = [sys.executable, "-c", _MEASURE, bucket_host.url, str(small), str(small), str(large)]
    told = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)
    _, before, after = map(int, told.stdout.split())

    assert bucket_host.objects["large"].size_bytes == 210 * MB
    assert after - before < 24, told.stdout


def test_the_library_is_not_loaded_before_something_is_uploaded() -> None:
    """Neither by the program nor by a bucket that nothing goes to: start and memory stay as they are."""
    code = (
        "import sys, backend.main; from backend.sources import Bucket;"
        "Bucket('s3://pictures', region='x', access_key_id='x', secret_access_key='x'); print('obstore' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert told.stdout.strip() == "False"


REFUSALS = [
    (Refusal(404, "NoSuchBucket"), "bucket_not_found"),
    (Refusal(403, "InvalidAccessKeyId"), "bucket_keys_refused"),
    (Refusal(403, "SignatureDoesNotMatch"), "bucket_keys_refused"),
    (Refusal(401, "Unauthorized"), "bucket_keys_refused"),
    (Refusal(403, "AccessDenied"), "bucket_access_denied"),
    (Refusal(301, "PermanentRedirect"), "bucket_region_wrong"),
    (Refusal(403, "RequestTimeTooSkewed"), "bucket_clock_differs"),
    (Refusal(503, "SlowDown"), "bucket_busy"),
    (Refusal(429, "TooManyRequests"), "bucket_busy"),
    (Refusal(500, "InternalError"), "bucket_failed"),
    (Refusal(409, "OperationAborted"), "bucket_failed"),
    (Refusal(400, "EntityTooLarge"), "object_refused"),
]


@pytest.mark.parametrize(("refusal", "code"), REFUSALS, ids=lambda each: getattr(each, "code", each))
async def test_every_refusal_has_a_name(bucket_host: BucketHost, picture: Path, refusal: Refusal, code: str) -> None:
    """Only one that concerns the object alone lets others pass; nothing of what the host repeats is repeated."""
    bucket_host.refuses_always = refusal
    with pytest.raises(BucketError) as caught:
        await bucket_at(bucket_host).put("01.png", picture, "image/png")

    error = caught.value
    assert (error.code, error.concerns_all) == (code, code != "object_refused")
    assert bucket_host.access_key_id not in json.dumps(error.as_dict())
    assert error.__cause__ is None
    assert error.hint


@pytest.mark.parametrize(
    ("wrong", "code", "sentence"),
    [
        ({"secret_access_key": "secret"}, "bucket_keys_refused", "127.0.0.1 does not accept the secret access key."),
        ({"access_key_id": "secret"}, "bucket_keys_refused", "127.0.0.1 does not accept the access key id."),
        ({"url": "s3://elsewhere"}, "bucket_not_found", "127.0.0.1 has no bucket elsewhere."),
        ({"region": "eu-west-1"}, "bucket_region_wrong", "The bucket pictures is in another region."),
    ],
)
async def test_a_wrong_setting_is_named(
    bucket_host: BucketHost, picture: Path, wrong: dict[str, str], code: str, sentence: str
) -> None:
    """By a host that checks for itself; and nothing is stored."""
    wrong = {name: secret(f"wrong {name}") if value == "secret" else value for name, value in wrong.items()}
    with pytest.raises(BucketError) as caught:
        await bucket_at(bucket_host, **wrong).put("01.png", picture, "image/png")

    assert (caught.value.code, caught.value.message) == (code, sentence)
    assert bucket_host.objects == {}


async def test_clocks_that_differ_are_named(picture: Path) -> None:
    """By a host for which it is an hour later."""
    with BucketHost(clock=lambda: datetime.now(UTC) + timedelta(hours=1)) as host:
        with pytest.raises(BucketError, match="clocks") as caught:
            await bucket_at(host).put("01.png", picture, "image/png")
        assert caught.value.code == "bucket_clock_differs"


async def test_a_host_that_is_not_there_or_says_nothing_is_unreachable(picture: Path) -> None:
    """Down, unknown, or silent for longer than a request may take."""
    with BucketHost() as host:
        host.passing.clear()
        with pytest.raises(BucketError, match="does not answer in time") as silent:
            await bucket_at(host, part_s=0.2).put("01.png", picture, "image/png")
    with pytest.raises(BucketError) as down:
        await bucket_at(host).put("01.png", picture, "image/png")

    assert (silent.value.code, down.value.code) == ("bucket_unreachable", "bucket_unreachable")


async def test_a_stumble_of_the_host_is_not_told(bucket_host: BucketHost, picture: Path) -> None:
    """It is asked once more within the same upload."""
    bucket_host.refusals.append(Refusal(503, "SlowDown"))
    await bucket_at(bucket_host).put("01.png", picture, "image/png")

    assert [seen.status for seen in bucket_host.requests] == [503, 200]


async def test_what_failed_half_way_leaves_no_parts(bucket_host: BucketHost, tmp_path: Path) -> None:
    """The host is told to drop them."""
    path = tmp_path / "01.mp4"
    path.write_bytes(bytes(20 * MB))
    bucket_host.part_refusals[2] = Refusal(403, "AccessDenied")
    with pytest.raises(BucketError):
        await bucket_at(bucket_host).put("01.mp4", path, "video/mp4")

    assert (bucket_host.objects, bucket_host.unfinished) == ({}, {})


async def test_a_file_that_is_gone_is_no_fault_of_the_bucket(bucket_host: BucketHost, tmp_path: Path) -> None:
    """The caller hears what the disk says."""
    with pytest.raises(FileNotFoundError):
        await bucket_at(bucket_host).put("01.png", tmp_path / "nothing", "image/png")


async def test_a_certificate_must_be_good(picture: Path, cafile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a private authority is, once SSL_CERT_FILE names the authority."""
    with BucketHost(tls=True) as host:
        with pytest.raises(BucketError) as caught:
            await bucket_at(host).put("01.png", picture, "image/png")
        monkeypatch.setenv("SSL_CERT_FILE", cafile)
        await bucket_at(host).put("01.png", picture, "image/png")

        assert caught.value.code == "bucket_untrusted"
        assert len(host.objects) == 1


async def test_variables_for_other_tools_lead_nothing_elsewhere(
    bucket_host: BucketHost, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the environment says to Amazon's tools means nothing here."""
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "other", "AWS_SESSION_TOKEN": "other",
        "AWS_SKIP_SIGNATURE": "true", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    await bucket_at(bucket_host).put("01.png", picture, "image/png")

    assert list(bucket_host.objects) == ["hearth/01.png"]


@pytest.mark.parametrize(
    ("endpoint", "path_style", "expected"),
    [
        (None, False, "https://pictures.s3.eu-west-1.amazonaws.com"),
        (None, True, "https://s3.eu-west-1.amazonaws.com"),
        ("https://nas.local:9000/", True, "https://nas.local:9000"),
        ("https://r2.example.com", False, "https://pictures.r2.example.com"),
    ],
)
def test_the_bucket_stands_where_the_host_looks_for_it(endpoint: str | None, path_style: bool, expected: str) -> None:
    """Before the host's name, or in the path, to which the library adds it."""
    assert endpoint_of("pictures", endpoint, "eu-west-1", path_style=path_style) == expected
