"""How an execution ended, told from its history: the only witness that is always there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from backend.comfyui.errors import ComfyUIError, Interrupted, NodeError, OutOfMemory
from backend.comfyui.graph import Graph
from backend.comfyui.outputs import NodeOutput
from backend.comfyui.shapes import mapping, text, texts
from backend.comfyui.traces import short_message, short_traceback
from backend.comfyui.values import HistoryRecord
from backend.errors import JSON

# torch.OutOfMemoryError, torch.cuda.OutOfMemoryError, MemoryError; ROCm and MPS say it in the message only.
_MEMORY_TYPES = ("OutOfMemoryError", "MemoryError")
_MEMORY_WORDS = ("out of memory", "not enough memory", "allocation on device")


class Ending(StrEnum):
    """The ways in which an execution can be over."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An execution that is over.

    ``error`` says why where it did not succeed. ``outputs`` may be there even so: nodes that were done before.
    ``cached_nodes`` did not run; files in their outputs are those of an earlier prompt, and no new ones exist.
    Times are the server's, in milliseconds since 1970.
    """

    prompt_id: str
    ending: Ending
    outputs: tuple[NodeOutput, ...] = ()
    error: ComfyUIError | None = None
    cached_nodes: tuple[str, ...] = ()
    started_ms: int | None = None
    ended_ms: int | None = None
    record: HistoryRecord | None = field(default=None, repr=False)

    @property
    def is_success(self) -> bool:
        """Whether it ran to its end."""
        return self.ending is Ending.SUCCEEDED


def outcome_of(record: HistoryRecord, graph: Graph | None = None) -> Outcome:
    """Return what *record* says; *graph* lends its titles to the nodes that are named."""
    if graph is None:
        graph = _graph_of(record)
    ending, error = Ending.SUCCEEDED, None
    if not record.is_success:
        kind, data = _last(record)
        if kind == "execution_interrupted":
            ending, error = Ending.INTERRUPTED, interruption(data, graph)
        else:
            ending, error = Ending.FAILED, failure(data if kind == "execution_error" else {}, graph)
    return Outcome(
        record.prompt_id,
        ending,
        record.outputs,
        error,
        record.cached_nodes,
        record.time_ms("execution_start"),
        record.time_ms("execution_success", "execution_error", "execution_interrupted"),
        record,
    )


def failure(data: Mapping[str, JSON], graph: Graph | None = None) -> NodeError:
    """Return the error that an ``execution_error`` reports."""
    node_id, class_type = text(data.get("node_id")), text(data.get("node_type"))
    kind, message = text(data.get("exception_type")) or "", short_message(text(data.get("exception_message")) or "")
    label = _label(node_id, class_type, graph)
    is_memory = kind.endswith(_MEMORY_TYPES) or any(word in message.lower() for word in _MEMORY_WORDS)
    reason = message.partition("\n")[0] or kind.rpartition(".")[2] or "it does not say why"
    sentence = f"{label} ran out of memory." if is_memory else f"{label} failed: {reason}"
    return (OutOfMemory if is_memory else NodeError)(
        sentence,
        node_id=node_id,
        class_type=class_type,
        title=graph.title(node_id) if graph and node_id else None,
        exception_type=kind or None,
        exception_message=message,
        traceback=short_traceback(texts(data.get("traceback"))),
    )


def interruption(data: Mapping[str, JSON], graph: Graph | None = None) -> Interrupted:
    """Return the error that an ``execution_interrupted`` reports; a node that cannot be stopped names its successor."""
    node_id, class_type = text(data.get("node_id")), text(data.get("node_type"))
    details: dict[str, JSON] = {"node_id": node_id, "class_type": class_type}
    return Interrupted(f"It was stopped at {_label(node_id, class_type, graph)}.", details=details)


def _last(record: HistoryRecord) -> tuple[str, Mapping[str, JSON]]:
    for kind, data in reversed(record.messages):
        if kind.startswith("execution_"):
            return kind, data
    return "", {}


def _label(node_id: str | None, class_type: str | None, graph: Graph | None) -> str:
    if graph is not None and node_id is not None and node_id in graph.nodes:
        return graph.label(node_id)
    return class_type or "A node"


def _graph_of(record: HistoryRecord) -> Graph | None:
    document = {} if record.entry is None else mapping(record.entry.graph)
    try:
        return Graph.parse(document, strict=False)
    except ComfyUIError:
        return None
