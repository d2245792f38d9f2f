"""What ComfyUI says over its WebSocket, decoded: text frames are JSON, binary ones begin with a big-endian number.

Types and keys are those of ComfyUI 0.3.64 and 0.26; a type that is not known passes as :class:`Unknown`, so that a newer
server never breaks an older Hearth.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from backend.comfyui.shapes import mapping, number, sequence, text, texts, whole
from backend.errors import JSON

_PREVIEW, _TEXT, _PREVIEW_WITH_METADATA = 1, 3, 4
_IMAGE_TYPES = {1: "image/jpeg", 2: "image/png"}
_U32 = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Status:
    """How many prompts wait or run; ``sid`` is the client id, in the greeting only."""

    queue_remaining: int
    sid: str | None = None


@dataclass(frozen=True, slots=True)
class FeatureFlags:
    """What the server can do, in answer to our own flags."""

    flags: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class ExecutionStart:
    """A prompt left the queue and begins; milliseconds since 1970."""

    prompt_id: str
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ExecutionCached:
    """The nodes whose results are still known, so that they will not run."""

    prompt_id: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Executing:
    """A node begins; ``node`` is None when the prompt is over. Without ``prompt_id``: said to a socket that came later."""

    node: str | None
    display_node: str | None = None
    prompt_id: str | None = None


@dataclass(frozen=True, slots=True)
class NodeState:
    """How far one node is; ``display_node`` is the node of the graph where ``node_id`` was made by another node."""

    node_id: str
    display_node: str
    state: str
    value: float
    maximum: float


@dataclass(frozen=True, slots=True)
class ProgressState:
    """Every node that was touched so far."""

    prompt_id: str
    nodes: tuple[NodeState, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of a node."""

    prompt_id: str | None
    node: str | None
    value: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Executed:
    """A node that shows something has done so; ``output`` is what history keeps for it."""

    prompt_id: str
    node: str
    display_node: str
    output: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class ExecutionSuccess:
    """The prompt ran to its end; its history may follow some milliseconds later."""

    prompt_id: str
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ExecutionError:
    """A node raised; ``data`` is the whole report."""

    prompt_id: str
    data: Mapping[str, JSON] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExecutionInterrupted:
    """The prompt was stopped before or within a node."""

    prompt_id: str
    data: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class Logs:
    """Lines of the server's log, oldest first: (time as the server writes it, text)."""

    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """An image of a result in the making, or the result of a node that sends it over the socket."""

    mime: str
    image: bytes = field(repr=False)
    prompt_id: str | None = None
    node: str | None = None
    display_node: str | None = None


@dataclass(frozen=True, slots=True)
class NodeText:
    """A text that a node shows while it runs; it does not say whose prompt it belongs to."""

    node: str
    text: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a type that is not known here, or that cannot be read."""

    type: str
    data: JSON | bytes = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Connected:
    """Our own word: a connection stands; prompts must be sent under this client id to be heard of on it."""

    client_id: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Our own word: the connection is gone, for the reason given; another one is made by itself."""

    reason: str


Message = (
    Status
    | FeatureFlags
    | ExecutionStart
    | ExecutionCached
    | Executing
    | ProgressState
    | Progress
    | Executed
    | ExecutionSuccess
    | ExecutionError
    | ExecutionInterrupted
    | Logs
    | Preview
    | NodeText
    | Unknown
    | Connected
    | Disconnected
)


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
