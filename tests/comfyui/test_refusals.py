"""Every recorded refusal of a prompt has a name, in both versions, and tells no folder of the server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backend.comfyui import (
    ComfyUIRefused,
    InvalidInput,
    MissingModel,
    MissingNode,
    NodeError,
    OutOfMemory,
    RequestTooLarge,
)
from backend.comfyui.endings import failure
from backend.comfyui.refusals import refusal
from backend.comfyui.traces import short_message, short_traceback
from tests.contracts.comfyui_replay import VERSIONS, recording

_EXPECTED: dict[str, type[Exception]] = {
    "08_missing_node": MissingNode,
    "09_missing_model": MissingModel,
    "malformed JSON": ComfyUIRefused,
    "prompt is a list": ComfyUIRefused,
    "number not numeric": ComfyUIRefused,
    "UI-format workflow instead of API format": ComfyUIRefused,
}
_REFUSALS = [
    pytest.param(line, id=f"{version}-{line['note']}")
    for version in VERSIONS
    for line in recording(version, "errors_validation")
    if line["kind"] == "http" and line["path"] == "/prompt" and line["status"] != 200
]


@pytest.mark.parametrize("line", _REFUSALS)
def test_every_refusal_has_a_name(line: dict[str, Any]) -> None:
    """Missing node, missing model, invalid input, or the server's own failure."""
    error = refusal(line["status"], line.get("response"))
    is_id = line.get("response", {}).get("error", {}).get("type") == "invalid_prompt_id"

    assert type(error) is (ComfyUIRefused if is_id else _EXPECTED.get(line["note"], InvalidInput))
    assert error.message
    assert error.hint
    assert "/opt/" not in json.dumps(error.as_dict())
    assert "Traceback" not in json.dumps(error.as_dict())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bad_value_is_told_with_its_node_and_input(version: str) -> None:
    """All of them at once, so that they can be corrected at once."""
    line = next(each for each in recording(version, "errors_validation") if each.get("note") == "16_bad_values")
    error = refusal(line["status"], line["response"])

    assert isinstance(error, InvalidInput)
    assert {(each.node_id, each.input, each.type) for each in error.problems} == {
        ("1", "width", "value_smaller_than_min"),
        ("1", "height", "invalid_input_type"),
        ("1", "batch_size", "value_bigger_than_max"),
        ("2", "filename_prefix", "required_input_missing"),
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_missing_node_is_told_with_its_class(version: str) -> None:
    """0.3.64 has it in the sentence only."""
    line = next(each for each in recording(version, "errors_validation") if each.get("note") == "08_missing_node")
    error = refusal(line["status"], line["response"])

    assert isinstance(error, MissingNode)
    assert [(each.node_id, each.class_type) for each in error.problems] == [("1", "ThisNodeDoesNotExist")]


def test_too_long_a_prompt() -> None:
    """413 comes as text."""
    assert isinstance(refusal(413, None), RequestTooLarge)


@pytest.mark.parametrize("version", VERSIONS)
def test_errors_of_nodes_are_told_apart(version: str) -> None:
    """Memory has a class of its own; both have a short traceback."""
    plain = _reported(version, "run_error_exception_in_node")
    memory = _reported(version, "run_error_oom")

    assert type(plain) is NodeError
    assert plain.message == "TestFail failed: boom"
    assert type(memory) is OutOfMemory
    assert 0 < len(plain.traceback) <= 6
    assert "/opt/" not in str(plain.as_dict()) + str(memory.as_dict())
    assert "tensor(" not in str(plain.as_dict())


def _reported(version: str, name: str) -> NodeError:
    lines = recording(version, name)
    frames = [line["data"] for line in lines if line["kind"] == "ws"]
    return failure(next(frame["data"] for frame in frames if frame["type"] == "execution_error"))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[Errno 2] No such file: '/home/ada/models/a.ckpt'", "[Errno 2] No such file: 'a.ckpt'"),
        ("cannot open C:\\Users\\ada\\models\\a.ckpt", "cannot open a.ckpt"),
        ("expected 4/8 channels, got 3/8", "expected 4/8 channels, got 3/8"),
        ("see https://example.org/help/page", "see https://example.org/help/page"),
        ("path=/opt/x/y.bin", "path=y.bin"),
    ],
)
def test_messages_lose_folders_and_nothing_else(said: str, told: str) -> None:
    """Fractions and addresses are no folders."""
    assert short_message(said) == told


def test_frames_begin_at_their_package() -> None:
    """The marks under the code go, the innermost frames stay."""
    frames = [f'  File "/x/y/site-packages/torch/a.py", line {n}, in f\n    g()\n    ^^^\n' for n in range(20)]

    assert short_traceback(frames)[-1] == 'File "site-packages/torch/a.py", line 19, in f\ng()'
    assert len(short_traceback(frames)) == 6
