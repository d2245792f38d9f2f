"""Roadmap 3.2: every endpoint of presets, with the ids that people know, from list to verified file and back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import Content, Slow
from tests.live import LiveServer
from tests.roadmap import Answer, curl, frames_until, shelve, wscat

_SIZE = 3_000_000
_AUTHORIZED = 'curl -H "Authorization: Bearer $TOKEN"'


class Stage:
    """A server on a catalogue of real presets whose files are small, on a local hub."""

    def __init__(self, folder: Path, hub: HuggingFaceHub) -> None:
        catalogue = folder / "catalogue"
        self.contents: dict[str, Content] = shelve(catalogue, hub, "ltx-video-2b", size=_SIZE, faults=(Slow(1e6),))
        self.contents |= shelve(catalogue, hub, "ltx-2", size=_SIZE)
        self.server = LiveServer(
            folder / "workspace", HF_ENDPOINT=hub.endpoint, PRESET_CATALOG_DIR=str(catalogue)
        ).start()

    def ask(self, rest: str, method: str = "") -> Answer:
        """Send an authorized request; *rest* is what follows ``/api/presets``."""
        verb = f" -X {method}" if method else ""
        return curl(f'{_AUTHORIZED}{verb} "http://localhost:8000/api/presets{rest}"', self.server)

    def until(self, preset_id: str, status: str) -> dict[str, Any]:
        """Poll the status endpoint, as a script would."""
        deadline = time.monotonic() + 20
        while (answer := self.ask(f"/{preset_id}/status").json())["status"] != status:
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)
        return answer

    def path(self, place: str) -> Path:
        """Return where a file belongs."""
        return self.server.workspace / "ComfyUI" / "models" / place


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One server for all tests here; each leaves the disk as it found it."""
    with HuggingFaceHub() as hub:
        stage = Stage(tmp_path_factory.mktemp("presets"), hub)
        yield stage
        stage.server.stop()


def test_presets_are_listed(stage: Stage) -> None:
    """``GET /api/presets`` answers items and total."""
    answer = curl('curl -H "Authorization: Bearer $TOKEN" http://localhost:8000/api/presets', stage.server).json()

    assert answer["total"] == len(answer["items"]) == 2
    assert {preset["status"] for preset in answer["items"]} == {"absent"}


def test_a_preset_is_shown_under_its_old_name(stage: Stage) -> None:
    """``GET /api/presets/:id``, where the id is what the predecessor called it."""
    answer = stage.ask("/LTX_VIDEO_T2V").json()

    assert answer["id"] == "ltx-video-2b"
    assert {f"{file['directory']}/{file['name']}" for file in answer["files"]} <= stage.contents.keys()


def test_categories_are_listed(stage: Stage) -> None:
    """``GET /api/presets/categories`` counts."""
    answer = stage.ask("/categories").json()

    assert [each["count"] for each in answer["items"] if each["id"] == "video"] == [2]


def test_an_unknown_preset_is_named(stage: Stage) -> None:
    """404 in the one error shape, for every verb."""
    for rest, method in (
        ("/NONSENSE", ""),
        ("/NONSENSE/status", ""),
        ("/NONSENSE/download", "POST"),
        ("/NONSENSE", "DELETE"),
    ):
        answer = stage.ask(rest, method)
        assert (answer.status, answer.json()["error"]["code"]) == (404, "preset_not_found")


def test_a_preset_is_downloaded_followed_checked_and_deleted(stage: Stage) -> None:
    """The roadmap's three lines, then the status, a check of every byte, and the removal."""
    with wscat('wscat -c "ws://localhost:8000/ws/downloads?token=$TOKEN"', stage.server) as socket:
        started = curl(
            """curl -X POST -H "Authorization: Bearer $TOKEN" \\
              http://localhost:8000/api/presets/LTX_VIDEO_T2V/download""",
            stage.server,
        )
        assert started.status == 202
        job_id = started.json()["id"]
        frames = frames_until(socket, lambda f: f["key"] == job_id and f["data"].get("state") == "completed")
    seen = [f["data"]["bytes_done"] for f in frames if f["type"] == "download.progress" and f["key"] == job_id]
    assert seen == sorted(seen)
    assert len(seen) > 2, "progress was told while it ran"

    status = stage.until("LTX_VIDEO_T2V", "installed")
    assert all(file["status"] == "installed" for file in status["files"])
    for file in stage.ask("/ltx-video-2b").json()["files"]:
        place = f"{file['directory']}/{file['name']}"
        assert stage.contents[place].is_in(stage.path(place))

    assert [file["status"] for file in stage.ask("/ltx-video-2b/verify?wait=true", "POST").json()["files"]] == [
        "installed"
    ] * 2
    removed = stage.ask("/LTX_VIDEO_T2V", "DELETE")
    assert removed.status == 200
    stage.until("LTX_VIDEO_T2V", "absent")
    assert not stage.path("checkpoints/ltx-video-2b-v0.9.5.safetensors").exists()


def test_a_truncated_file_is_not_taken_for_an_installed_preset(stage: Stage) -> None:
    """The predecessor's worst defect: half a file under its final name counted as installed."""
    place = "checkpoints/ltx-video-2b-v0.9.5.safetensors"
    path = stage.path(place)
    stage.contents[place].write_to(path, stop=_SIZE // 2)
    try:
        answer = stage.until("LTX_VIDEO_T2V", "damaged")
        assert {file["name"]: file["status"] for file in answer["files"]}[path.name] == "damaged"
    finally:
        path.unlink()
    stage.until("LTX_VIDEO_T2V", "absent")


def test_the_catalogue_is_not_updated_without_an_address(stage: Stage) -> None:
    """``POST /api/presets/update`` says which setting it lacks."""
    answer = stage.ask("/update", "POST")

    assert answer.status >= 400
    assert "PRESET_CATALOG_URL" in str(answer.json()["error"])
