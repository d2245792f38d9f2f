"""What ComfyUI says over its WebSocket, as values; :mod:`backend.comfyui.frames` reads them.

Types and keys are those of ComfyUI 0.3.64 and 0.26; a type that is not known passes as :class:`Unknown`, so that a newer
server never breaks an older Hearth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.errors import JSON


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
