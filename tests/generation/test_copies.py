"""Copies in a bucket of what jobs make: written down with the end of the job, over a SIGKILL at any instant."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from backend.generation.results import RemoteState
from backend.generation.results.upload.store import count
from backend.sources import Bucket
from tests.fakes.comfyui import SimulatedComfyUI
from tests.fakes.s3 import BucketHost, Refusal
from tests.generation import graphs
from tests.generation.rig import Rig
from tests.live import LiveServer

DEADLINE_S = 30


def environ(host: BucketHost, comfyui: SimulatedComfyUI) -> dict[str, str]:
    return {
        "COMFYUI_URL": comfyui.url,
        "RESULTS_S3_URL": f"s3://{host.bucket}/hearth",
        "RESULTS_S3_ENDPOINT": host.url,
        "RESULTS_S3_REGION": host.region,
        "RESULTS_S3_ACCESS_KEY_ID": host.access_key_id,
        "RESULTS_S3_SECRET_ACCESS_KEY": host.secret_access_key,
    }


def made(client: httpx2.Client) -> dict[str, Any]:
    """Make something, and return its entry in the gallery."""
    job_id = client.post("/api/generations", json={"prompt": graphs.quick()}).raise_for_status().json()["id"]
    job = wait(lambda: client.get(f"/api/generations/{job_id}").json(), lambda job: job["state"] == "completed")
    return client.get(f"/api/gallery/{job['results'][0]['id']}").json()["item"]


def wait(look: Callable[[], dict[str, Any]], holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    deadline = time.monotonic() + DEADLINE_S
    while not holds(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def uploaded(server: LiveServer, item_id: str) -> dict[str, Any]:
    """Wait until a result has its copy."""
    with server.client() as client:
        return wait(
            lambda: client.get(f"/api/gallery/{item_id}").json()["item"],
            lambda item: item["remote"]["state"] == "uploaded",
        )


def shown(client: httpx2.Client, item_id: str) -> str:
    """The page of a result."""
    answer = client.get(f"/gallery/{item_id}")
    assert answer.status_code == 200, answer.text
    return answer.text


def has_copy(host: BucketHost, outputs: Path, url: str) -> bool:
    """Whether the bucket holds a result and its sidecar as the workspace does."""
    key = url.removeprefix(f"s3://{host.bucket}/")
    names = (key, f"{key.rpartition('.')[0]}.json")
    return all(host.objects[name].body == (outputs / name.removeprefix("hearth/")).read_bytes() for name in names)


def test_a_kill_between_completion_and_upload_loses_nothing(
    make_live_server: Callable[..., LiveServer], comfyui: SimulatedComfyUI, bucket_host: BucketHost
) -> None:
    """The bucket is away when the job completes, and Hearth is killed before it is back; no key is told to anybody."""
    bucket_host.stop()
    server = make_live_server(**environ(bucket_host, comfyui))
    with server.client() as client:
        item = made(client)
        told = wait(lambda: client.get("/api/gallery/uploads").json(), lambda report: report["error"])
        page = shown(client, item["id"])
    server.kill()
    assert (told["waiting"], told["uploaded"], told["error"]["code"]) == (1, 0, "bucket_unreachable")
    assert "Waits for upload" in page
    assert bucket_host.objects == {}

    bucket_host.start()
    server.start()
    item = uploaded(server, item["id"])
    assert has_copy(bucket_host, server.workspace / "outputs", item["remote"]["url"])
    with server.client() as client:
        page = shown(client, item["id"])
        told = client.get("/api/gallery/uploads").json()
    assert item["remote"]["url"] in page.replace("<wbr>", "")
    assert (told["waiting"], told["uploaded"], told["error"]) == (0, 1, None)
    kept = b"".join(path.read_bytes() for path in (server.workspace / "config").glob("hearth.db*"))
    for text in (kept.decode("latin-1"), page, json.dumps(item)):
        assert bucket_host.secret_access_key not in text
        assert bucket_host.access_key_id not in text


def test_a_kill_in_the_middle_of_an_upload_loses_nothing(
    make_live_server: Callable[..., LiveServer], comfyui: SimulatedComfyUI, bucket_host: BucketHost
) -> None:
    """The object is sent anew under the same key."""
    bucket_host.passing.clear()
    server = make_live_server(**environ(bucket_host, comfyui))
    with server.client() as client:
        item = made(client)
    bucket_host.wait_for(lambda host: host.held == 1)
    server.kill()
    bucket_host.passing.set()
    server.start()
    item = uploaded(server, item["id"])

    assert has_copy(bucket_host, server.workspace / "outputs", item["remote"]["url"])
    assert len(bucket_host.objects) == 2


@pytest.mark.anyio
async def test_the_end_of_a_job_and_what_is_to_be_copied_are_one_write(
    anyio_backend: object, tmp_path: Path, comfyui: SimulatedComfyUI, bucket_host: BucketHost
) -> None:
    """Whoever sees the job completed finds its results in the queue of uploads; a bucket that refuses fails no job."""
    bucket_host.refuses_always = Refusal(403, "AccessDenied")
    remote = Bucket(
        "s3://pictures", endpoint=bucket_host.url, region=bucket_host.region,
        access_key_id=bucket_host.access_key_id, secret_access_key=bucket_host.secret_access_key,
    )  # fmt: skip
    async with Rig(tmp_path / "hearth", [comfyui.url], remote=remote) as rig:
        await rig.up()
        job = await rig.until((await rig.submit(graphs.quick(), n=2)).id)
        noted = await rig.database.read(count)

    assert job.state == "completed"
    assert noted[RemoteState.WAITING] == len(job.results) == 2
