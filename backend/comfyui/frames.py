"""Read a frame of ComfyUI's WebSocket: text frames are JSON, binary ones begin with a big-endian number."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable

from backend.comfyui.messages import (
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    FeatureFlags,
    Logs,
    Message,
    NodeState,
    NodeText,
    Preview,
    Progress,
    ProgressState,
    Status,
    Unknown,
)
from backend.comfyui.shapes import mapping, number, sequence, text, texts, whole
from backend.errors import JSON

_PREVIEW, _TEXT, _PREVIEW_WITH_METADATA = 1, 3, 4
_IMAGE_TYPES = {1: "image/jpeg", 2: "image/png"}
_U32 = struct.Struct(">I")


def decode(frame: str | bytes) -> Message:
    """Return what *frame* says; a frame that cannot be read is :class:`Unknown`."""
    return _decode_binary(frame) if isinstance(frame, bytes) else _decode_text(frame)


def _decode_text(frame: str) -> Message:
    try:
        document: object = json.loads(frame)
    except (ValueError, RecursionError):
        return Unknown("unreadable", frame[:200])
    body = mapping(document)
    kind, data = text(body.get("type")) or "", body.get("data")
    reader = _READERS.get(kind)
    message = None if reader is None else reader(mapping(data))
    return Unknown(kind, data) if message is None else message


def _decode_binary(frame: bytes) -> Message:
    try:
        (event,) = _U32.unpack_from(frame)
        if event == _PREVIEW:
            return Preview(_IMAGE_TYPES.get(_U32.unpack_from(frame, 4)[0], "application/octet-stream"), frame[8:])
        if event == _PREVIEW_WITH_METADATA:
            return _preview_with_metadata(frame)
        if event == _TEXT:
            end = 8 + _U32.unpack_from(frame, 4)[0]
            return NodeText(frame[8:end].decode("utf-8", "replace"), frame[end:].decode("utf-8", "replace"))
    except (struct.error, ValueError):
        return Unknown("unreadable", frame[:200])
    return Unknown(f"binary {event}", frame)


def _preview_with_metadata(frame: bytes) -> Preview:
    end = 8 + _U32.unpack_from(frame, 4)[0]
    about = mapping(json.loads(frame[8:end]))
    return Preview(
        text(about.get("image_type")) or "application/octet-stream",
        frame[end:],
        prompt_id=text(about.get("prompt_id")),
        node=text(about.get("node_id")),
        display_node=text(about.get("display_node_id")),
    )


def _status(data: dict[str, JSON]) -> Status | None:
    remaining = whole(mapping(mapping(data.get("status")).get("exec_info")).get("queue_remaining"))
    return None if remaining is None else Status(remaining, text(data.get("sid")))


def _execution_start(data: dict[str, JSON]) -> ExecutionStart | None:
    prompt_id = text(data.get("prompt_id"))
    return None if prompt_id is None else ExecutionStart(prompt_id, whole(data.get("timestamp")))


def _execution_cached(data: dict[str, JSON]) -> ExecutionCached | None:
    prompt_id = text(data.get("prompt_id"))
    return None if prompt_id is None else ExecutionCached(prompt_id, texts(data.get("nodes")))


def _executing(data: dict[str, JSON]) -> Executing:
    node = text(data.get("node"))
    return Executing(node, text(data.get("display_node")) or node, text(data.get("prompt_id")))


def _progress_state(data: dict[str, JSON]) -> ProgressState | None:
    prompt_id = text(data.get("prompt_id"))
    if prompt_id is None:
        return None
    states = mapping(data.get("nodes")).items()
    return ProgressState(prompt_id, tuple(_node_state(node_id, mapping(state)) for node_id, state in states))


def _node_state(node_id: str, state: dict[str, JSON]) -> NodeState:
    return NodeState(
        node_id,
        text(state.get("display_node_id")) or node_id,
        text(state.get("state")) or "",
        number(state.get("value")) or 0.0,
        number(state.get("max")) or 0.0,
    )


def _progress(data: dict[str, JSON]) -> Progress:
    value, maximum = number(data.get("value")) or 0.0, number(data.get("max")) or 0.0
    return Progress(text(data.get("prompt_id")), text(data.get("node")), value, maximum)


def _executed(data: dict[str, JSON]) -> Executed | None:
    prompt_id, node = text(data.get("prompt_id")), text(data.get("node"))
    if prompt_id is None or node is None:
        return None
    return Executed(prompt_id, node, text(data.get("display_node")) or node, mapping(data.get("output")))


def _execution_success(data: dict[str, JSON]) -> ExecutionSuccess | None:
    prompt_id = text(data.get("prompt_id"))
    return None if prompt_id is None else ExecutionSuccess(prompt_id, whole(data.get("timestamp")))


def _execution_error(data: dict[str, JSON]) -> ExecutionError | None:
    prompt_id = text(data.get("prompt_id"))
    return None if prompt_id is None else ExecutionError(prompt_id, data)


def _execution_interrupted(data: dict[str, JSON]) -> ExecutionInterrupted | None:
    prompt_id = text(data.get("prompt_id"))
    return None if prompt_id is None else ExecutionInterrupted(prompt_id, data)


def _logs(data: dict[str, JSON]) -> Logs:
    entries = (mapping(each) for each in sequence(data.get("entries")))
    return Logs(tuple((text(each.get("t")) or "", text(each.get("m")) or "") for each in entries))


_READERS: dict[str, Callable[[dict[str, JSON]], Message | None]] = {
    "status": _status,
    "feature_flags": FeatureFlags,
    "execution_start": _execution_start,
    "execution_cached": _execution_cached,
    "executing": _executing,
    "progress_state": _progress_state,
    "progress": _progress,
    "executed": _executed,
    "execution_success": _execution_success,
    "execution_error": _execution_error,
    "execution_interrupted": _execution_interrupted,
    "logs": _logs,
}
