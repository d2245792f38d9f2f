"""The simulated ComfyUI answers as the real one did when it was recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fakes.comfyui import SimulatedComfyUI

RECORDED = json.loads((Path(__file__).parent / "comfyui_0.3.64.json").read_text("utf-8"))


@pytest.fixture
def comfyui(tmp_path: Path):
    models = tmp_path / "models" / "checkpoints"
    models.mkdir(parents=True)
    (models / "tiny.safetensors").write_bytes(b"x")
    with SimulatedComfyUI(tmp_path) as simulated:
        yield simulated


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each["path"])
def test_it_answers_in_the_form_of_the_recording(comfyui: SimulatedComfyUI, recorded: dict[str, Any]) -> None:
    """Status and shape are those of the real server; it may say less, never otherwise."""
    answer = httpx2.get(comfyui.url + recorded["path"])

    assert answer.status_code == recorded["status"]
    if recorded["status"] == 200:
        assert _fits(answer.json(), recorded["response"]), answer.json()


def test_it_names_the_same_categories(comfyui: SimulatedComfyUI) -> None:
    """Every category of the recording is there, in its order."""
    recorded = next(each["response"] for each in RECORDED if each["path"] == "/models")

    assert httpx2.get(comfyui.url + "/models").json() == recorded


def test_it_reads_extra_model_paths_as_comfyui_does(comfyui: SimulatedComfyUI, tmp_path: Path) -> None:
    """Several lines are several folders; a default section comes first, its last line first of all."""
    for name in ("one", "two"):
        (tmp_path / "volume" / name).mkdir(parents=True)
        (tmp_path / "volume" / name / f"{name}.safetensors").write_bytes(b"x")
    (tmp_path / "extra_model_paths.yaml").write_text(
        f"hearth:\n  base_path: {tmp_path / 'volume'}\n  is_default: true\n  checkpoints: |\n    one\n    two\n"
    )

    assert comfyui.folders()["checkpoints"][:2] == [tmp_path / "volume" / "two", tmp_path / "volume" / "one"]
    listed = httpx2.get(comfyui.url + "/models/checkpoints").json()
    assert listed == ["one.safetensors", "tiny.safetensors", "two.safetensors"]


def _fits(value: Any, recorded: Any) -> bool:
    """Tell whether *value* has the recording's types, and no key that it lacks."""
    if isinstance(recorded, dict):
        return isinstance(value, dict) and all(key in recorded and _fits(value[key], recorded[key]) for key in value)
    if isinstance(recorded, list):
        return isinstance(value, list) and all(_fits(each, recorded[0]) for each in value if recorded)
    return isinstance(value, type(recorded)) or (isinstance(value, int) and isinstance(recorded, float))
