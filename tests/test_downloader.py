"""Roadmap 3.3: start, monitor, cancel, retry, four at a time; and the whole journey of a newcomer with a power cut in it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fakes.comfyui import SimulatedComfyUI
from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import Content, ModelHost, Slow, unavailable
from tests.live import LiveServer
from tests.roadmap import curl, frames_until, shelve, wscat

_SIZE = 3_000_000
_START = """curl -X POST http://localhost:8000/api/downloads/start \\
  -H "Content-Type: application/json" -H "Authorization: Bearer $TOKEN" \\
  -d '{"preset_id": "LTX_VIDEO_T2V"}'"""
_MONITOR = 'wscat -c "ws://localhost:8000/ws/progress/{task_id}?token=$TOKEN"'
_CANCEL = 'curl -X POST -H "Authorization: Bearer $TOKEN" http://localhost:8000/api/downloads/{task_id}/cancel'


@pytest.fixture
def hub() -> Iterator[HuggingFaceHub]:
    """A local hub."""
    with HuggingFaceHub() as hub:
        yield hub


@pytest.fixture
def serve(
    tmp_path: Path, hub: HuggingFaceHub, make_live_server: Callable[..., LiveServer]
) -> Callable[..., LiveServer]:
    """Start a server whose catalogue is below ``tmp_path / catalogue`` and whose hub is the local one."""

    def start(**environ: str) -> LiveServer:
        return make_live_server(HF_ENDPOINT=hub.endpoint, PRESET_CATALOG_DIR=str(tmp_path / "catalogue"), **environ)

    return start


def _ended(frame: dict[str, Any]) -> bool:
    return frame["data"].get("state") in ("completed", "failed", "cancelled")


def _until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_a_download_is_started_monitored_and_ends_verified(
    tmp_path: Path, hub: HuggingFaceHub, serve: Callable[..., LiveServer]
) -> None:
    """The roadmap's lines, with bytes, speed and time left of each file on the way."""
    contents = shelve(tmp_path / "catalogue", hub, "ltx-video-2b", size=_SIZE, faults=(Slow(0.5e6),))
    server = serve()
    started = curl(_START, server)
    assert started.status == 202
    job = started.json()
    assert job["state"] in ("queued", "resolving", "downloading")

    with wscat(_MONITOR, server, task_id=job["id"]) as socket:
        frames = frames_until(socket, _ended)
    assert frames[0]["type"] == "snapshot"
    numbers = [frame["data"]["bytes_done"] for frame in frames]
    assert numbers == sorted(numbers)
    assert any(0 < number < 2 * _SIZE for number in numbers), "byte-level progress"
    job = frames[-1]["data"]
    assert (job["state"], job["bytes_done"], job["progress_ratio"]) == ("completed", 2 * _SIZE, 1.0)
    assert all(file["verified"] for file in job["files"])
    for place, content in contents.items():
        assert content.is_in(server.workspace / "ComfyUI" / "models" / place)


def test_cancelling_stops_the_bytes(tmp_path: Path, hub: HuggingFaceHub, serve: Callable[..., LiveServer]) -> None:
    """The predecessor answered 200 and went on; here the connections are closed when the answer comes."""
    shelve(tmp_path / "catalogue", hub, "ltx-video-2b", size=20_000_000, faults=(Slow(0.3e6),))
    server = serve()
    job_id = curl(_START, server).json()["id"]
    hub.cdn.host.wait_for(lambda seen: any(request.bytes_sent > 100_000 for request in seen))

    cancelled = curl(_CANCEL, server, task_id=job_id)
    assert (cancelled.status, cancelled.json()["state"]) == (200, "cancelled")
    hub.cdn.host.wait_for(lambda seen: all(request.closed_at for request in seen))
    sent = hub.cdn.host.bytes_sent
    with server.client() as client:
        assert client.get(f"/api/downloads/{job_id}").json()["state"] == "cancelled"
        assert client.get("/api/presets/LTX_VIDEO_T2V/status").json()["status"] in ("absent", "partial")
    assert hub.cdn.host.bytes_sent == sent
    assert not (server.workspace / "ComfyUI/models/checkpoints/ltx-video-2b-v0.9.5.safetensors").exists()


def test_a_failing_host_is_tried_again_and_retry_continues(
    model_host: ModelHost, make_live_server: Callable[..., LiveServer]
) -> None:
    """Three more attempts, then failed with a reason; asked to retry, the job continues and completes."""
    content = Content.safetensors(_SIZE)
    url = model_host.put("/model.safetensors", content, unavailable(times=4))
    server = make_live_server()
    with server.client() as client:
        wanted = {"url": url, "directory": "checkpoints"}
        job = client.post("/api/downloads/start", json=wanted).json()
        with wscat(_MONITOR, server, task_id=job["id"]) as socket:
            failed = frames_until(socket, _ended)[-1]["data"]
        assert failed["state"] == "failed"
        assert failed["error"].keys() >= {"code", "message", "hint"}
        assert len(model_host.requests_of("/model.safetensors")) == 4

        assert client.post(f"/api/downloads/{job['id']}/retry").status_code == 200
        with wscat(_MONITOR, server, task_id=job["id"]) as socket:
            assert frames_until(socket, _ended)[-1]["data"]["state"] == "completed"
    assert content.is_in(server.workspace / "ComfyUI/models/checkpoints/model.safetensors")


def test_four_files_are_fetched_at_a_time(model_host: ModelHost, make_live_server: Callable[..., LiveServer]) -> None:
    """Seven are wanted: four run, three wait."""
    server = make_live_server()
    with server.client() as client:
        for number in range(7):
            url = model_host.put(f"/{number}.safetensors", Content.safetensors(20_000_000, seed=number), Slow(0.3e6))
            client.post("/api/downloads/start", json={"url": url, "directory": "loras"}).raise_for_status()

        def states() -> list[str]:
            return [job["state"] for job in client.get("/api/downloads").json()["items"]]

        _until(lambda: states().count("downloading") == 4)
        assert states().count("queued") == 3
        paths = {request.route for request in model_host.requests if request.bytes_sent}
        assert len(paths) <= 4


def test_what_is_asked_for_twice_is_one_job(
    tmp_path: Path, hub: HuggingFaceHub, serve: Callable[..., LiveServer]
) -> None:
    """Also under another name of the preset, and through the other endpoint."""
    shelve(tmp_path / "catalogue", hub, "ltx-video-2b", size=20_000_000, faults=(Slow(0.3e6),))
    server = serve()
    first = curl(_START, server).json()["id"]
    again = curl(
        'curl -X POST -H "Authorization: Bearer $TOKEN" http://localhost:8000/api/presets/ltx-video-2b/download', server
    )

    assert again.json()["id"] == first


def test_the_whole_journey(tmp_path: Path, hub: HuggingFaceHub, serve: Callable[..., LiveServer]) -> None:
    """Sign in, pick a preset, watch real bytes, pull the plug half-way, start again, end verified where ComfyUI looks."""
    size = 50_000_000
    contents = shelve(tmp_path / "catalogue", hub, "ltx-video-2b", size=size, faults=(Slow(0.8e6),))
    server = serve()
    token = curl(
        """curl -X POST http://localhost:8000/api/auth/login -d '{"password":"{password}"}'""",
        server,
        password=server.password,
    ).json()["access_token"]
    listed = curl('curl -H "Authorization: Bearer {token}" http://localhost:8000/api/presets', server, token=token)
    [preset] = listed.json()["items"]
    job_id = curl(_START, server).json()["id"]
    with wscat('wscat -c "ws://localhost:8000/ws/downloads?token=$TOKEN"', server) as socket:
        frames_until(
            socket, lambda f: f["key"] == job_id and f["data"].get("bytes_done", 0) > size
        )  # half of two files
        server.kill()
    before = hub.cdn.host.bytes_sent

    server.start()
    with SimulatedComfyUI(server.workspace / "ComfyUI") as comfyui:
        with wscat(_MONITOR, server, task_id=job_id) as socket:
            snapshot = json.loads(socket.recv(timeout=30))
            assert snapshot["data"]["state"] not in ("failed", "cancelled")
            job = snapshot["data"] if _ended(snapshot) else frames_until(socket, _ended, timeout=90)[-1]["data"]
        assert job["state"] == "completed"
        assert [file["verified"] for file in job["files"]] == [True, True]
        for place, content in contents.items():
            directory, name = place.split("/")
            assert content.is_in(server.workspace / "ComfyUI" / "models" / place)
            assert name in httpx2.get(f"{comfyui.url}/models/{directory}").json()
    again = hub.cdn.host.bytes_sent - 2 * size
    assert again < before / 2, "what had arrived before the kill was fetched again"
    with server.client() as client:
        assert client.get(f"/api/presets/{preset['id']}/status").json()["status"] == "installed"
    assert not list((server.workspace / "ComfyUI" / "models").rglob("*.part*"))
