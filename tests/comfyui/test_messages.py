"""Every frame of the recordings is understood, and no frame of anybody breaks anything."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.comfyui.frames import decode
from backend.comfyui.messages import Executed, Executing, NodeText, Preview, Progress, Status, Unknown
from tests.contracts.comfyui_replay import VERSIONS, names, recording

_FILES = [(version, name) for version in VERSIONS for name in names(version, "")]


@pytest.mark.parametrize(("version", "name"), _FILES)
def test_every_recorded_frame_is_understood(version: str, name: str) -> None:
    """None of them is Unknown."""
    for line in recording(version, name):
        if line["kind"] == "ws":
            assert not isinstance(decode(json.dumps(line["data"])), Unknown), line
        elif line["kind"] == "ws_bin" and "b64" in line:
            message = decode(base64.b64decode(line["b64"]))
            assert isinstance(message, Preview | NodeText)
            _check_binary(message, line)


def _check_binary(message: Preview | NodeText, line: dict[str, Any]) -> None:
    if isinstance(message, NodeText):
        assert (message.node, message.text) == (line["node_id"], line["text"])
    elif line["event"] == 4:
        assert (message.prompt_id, message.node) == (line["meta"]["prompt_id"], line["meta"]["node_id"])
        assert message.mime == line["meta"]["image_type"]
        assert message.image[:4].hex() == line["image_magic"]
    else:
        assert (message.prompt_id, message.mime) == (None, "image/jpeg")


def test_a_type_that_is_new_passes_as_unknown() -> None:
    """With everything it said, so that it can be passed on."""
    assert decode('{"type": "brand_new", "data": {"a": 1}}') == Unknown("brand_new", {"a": 1})
    assert decode(b"\x00\x00\x00\x09abc") == Unknown("binary 9", b"\x00\x00\x00\x09abc")


def test_keys_that_are_new_do_no_harm() -> None:
    """A newer server may say more."""
    message = decode('{"type": "executing", "data": {"node": "1", "prompt_id": "p", "mood": "good"}, "seq": 7}')

    assert message == Executing("1", "1", "p")


@pytest.mark.parametrize(
    "frame",
    ["", "nope", "[]", "null", '{"type": 7}', '{"type": "status", "data": []}', '{"type": "executed", "data": {"node": 1}}',
     b"", b"\x00", b"\x00\x00\x00\x01", b"\x00\x00\x00\x04\xff\xff\xff\xff{}", b"\x00\x00\x00\x04\x00\x00\x00\x02[]x"],
)  # fmt: skip
def test_nonsense_is_unknown_or_empty(frame: str | bytes) -> None:
    """Nothing that can arrive raises."""
    decode(frame)


@given(st.one_of(st.binary(max_size=64), st.text(max_size=64)))
def test_no_frame_raises(frame: str | bytes) -> None:
    """Whatever it holds."""
    decode(frame)


def test_the_greeting_tells_the_client_id() -> None:
    """A status to all does not."""
    assert decode('{"type":"status","data":{"status":{"exec_info":{"queue_remaining":2}},"sid":"x"}}') == Status(2, "x")
    assert decode('{"type":"status","data":{"status":{"exec_info":{"queue_remaining":2}}}}') == Status(2)


def test_what_a_socket_hears_that_came_later() -> None:
    """The node that runs, without the prompt it belongs to."""
    assert decode('{"type":"executing","data":{"node":"1"}}') == Executing("1", "1", None)
    assert decode('{"type":"progress","data":{"value":1,"max":2,"node":"1"}}') == Progress(None, "1", 1.0, 2.0)
    assert isinstance(decode('{"type":"executed","data":{"node":"1","prompt_id":"p","output":null}}'), Executed)
