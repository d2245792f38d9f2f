"""Executions: the simulated ComfyUI, or the real one at COMFYUI_TEST_URL, sends the frames of the recordings."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.comfyui_replay import VERSIONS, Heard, names, recorded_frames, recording, replay, shape
from tests.fakes.comfyui import SimulatedComfyUI

pytestmark = pytest.mark.anyio

REAL = os.environ.get("COMFYUI_TEST_URL")  # read at import: tests run without the environment
REAL_VERSION = os.environ.get("COMFYUI_TEST_VERSION", "0.3.64")
# Other files hold these to the contract: they need more than one socket, or interrupt.
_ELSEWHERE = {"run_reconnect_and_observers", "run_interrupted", "run_interrupt_blocking_node"}
_RUNS = [(version, name) for version in VERSIONS for name in names(version, "run_") if name not in _ELSEWHERE]
# What ran just before the recording on the same server, so that some nodes were cached.
_BEFORE = {
    "run_empty_save_cached_second_time": ("run_empty_save",),
    "run_error_oom": ("run_error_exception_in_node",),
    "run_ksampler_split_lora_upscale": ("run_ksampler_tiny",),
    "run_upscale_only": ("run_ksampler_split_lora_upscale",),
}
_SEVERAL_OUTPUTS = {"run_batch_mask", "run_image_chain"}


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The server that is held to the contract, of the version of the recording."""
    if REAL:
        yield REAL
        return
    version = request.getfixturevalue("version")
    with SimulatedComfyUI(stocked(tmp_path), version=version) as comfyui:
        yield comfyui.url


def stocked(base: Path) -> Path:
    """Put the files into *base* that the recorded graphs name."""
    for path in (
        "checkpoints/tiny_sd15_full.ckpt", "checkpoints/tiny_sd15.safetensors", "text_encoders/tiny_clip_l.ckpt",
        "loras/tiny_lora.safetensors", "upscale_models/tiny_2x.safetensors",
    ):  # fmt: skip
        file = base / "models" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    (base / "input").mkdir()
    (base / "input" / "example.png").write_bytes(b"x")
    return base


@pytest.mark.parametrize(("version", "name"), _RUNS, ids=lambda value: value)
async def test_a_run_sends_the_frames_of_the_recording(url: str, version: str, name: str) -> None:
    """Types, keys and order are those of the real server; ids, times and file names are not compared."""
    skip_other_versions(version)
    salt = secrets.randbelow(1_000_000)
    # Only the results of the last prompt are ever known, so this one makes the server forget those of others.
    await replay(url, recording(version, "run_empty_save"), salt=salt + 1)
    for before in _BEFORE.get(name, ()):
        await replay(url, recording(version, before), salt=salt)

    heard = await replay(url, recording(version, name), salt=salt)

    recorded = recorded_frames(recording(version, name))
    told = _by_node if name in _SEVERAL_OUTPUTS else _told
    assert told(heard.frames) == told(recorded)
    assert _statuses(heard.frames) == _statuses(recorded)


def skip_other_versions(version: str) -> None:
    """Leave out the recordings of versions that the real server is not of."""
    if REAL and version != REAL_VERSION:
        pytest.skip(f"the real server is taken for {REAL_VERSION}")


def _by_node(frames: list[dict[str, Any]]) -> dict[Any, list[Any]]:
    """Group the frames by the node that they are about: the server takes several outputs in the order of a set."""
    found: dict[Any, list[Any]] = {}
    for frame in frames:
        node = frame["data"].get("node", frame["data"].get("node_id"))
        if frame["type"] not in ("status", "feature_flags", "progress_state"):
            found.setdefault(node, []).append(shape(frame))
    return found


def _told(frames: list[dict[str, Any]]) -> list[Any]:
    """Return the frames about executions; a status is sent to everybody, so others may cause one."""
    return [shape(frame) for frame in frames if frame["type"] not in ("status", "feature_flags")]


def _statuses(frames: list[dict[str, Any]]) -> list[int]:
    return [frame["data"]["status"]["exec_info"]["queue_remaining"] for frame in frames if frame["type"] == "status"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["run_empty_save", "run_error_exception_in_node", "run_video", "run_text_type3"])
async def test_history_has_the_keys_of_the_recording(url: str, version: str, name: str) -> None:
    """A record of the history has the same keys at every level that Hearth reads."""
    skip_other_versions(version)
    lines = recording(version, name)
    heard = await replay(url, lines, salt=secrets.randbelow(1_000_000))
    recorded = next(
        line["response"] for line in lines if line["kind"] == "http" and line["path"].startswith("/history")
    )

    assert _record_shape(_record(heard)) == _record_shape(next(iter(recorded.values())))


def _record(heard: Heard) -> dict[str, Any]:
    return next(iter(next(answer.json() for about, answer in heard.answers if about["path"] == "/history").values()))


def _record_shape(record: dict[str, Any]) -> Any:
    messages = [(kind, tuple(sorted(data))) for kind, data in record["status"]["messages"]]
    outputs = {node: sorted(output) for node, output in record["outputs"].items()}
    extra = sorted(record["prompt"][3])
    return (
        sorted(record),
        record["status"]["status_str"],
        record["status"]["completed"],
        messages,
        outputs,
        record["meta"],
        extra,
    )
