"""What a person wants to know about one execution, told from messages and queue positions; no input or output here.

:class:`Tracker` takes what ComfyUI says, in any order and with gaps, and returns what is new. It never says that an
execution is over: only history does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from backend.comfyui import messages as said
from backend.comfyui.endings import Outcome
from backend.comfyui.graph import Graph
from backend.comfyui.outputs import NodeOutput, node_output


@dataclass(frozen=True, slots=True)
class Queued:
    """It waits; 1 is next."""

    position: int


@dataclass(frozen=True, slots=True)
class Started:
    """It runs."""


@dataclass(frozen=True, slots=True)
class NodesCached:
    """These nodes will not run: their results are known."""

    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node runs; ``label`` is its title, or its class."""

    node_id: str
    class_type: str | None
    label: str


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A node is done."""

    node_id: str


@dataclass(frozen=True, slots=True)
class Step:
    """A node is at step *value* of *maximum*."""

    node_id: str
    value: float
    maximum: float


@dataclass(frozen=True, slots=True)
class PreviewImage:
    """A result in the making; for nodes that deliver over the socket, the result itself (PNG)."""

    node_id: str | None
    mime: str
    image: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NodeSaid:
    """A text that a node shows while it runs."""

    node_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Produced:
    """A node showed something."""

    output: NodeOutput


@dataclass(frozen=True, slots=True)
class Unheard:
    """What happens cannot be heard for now: the connection broke, or the server does not answer. It may run on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over, and nothing follows."""

    outcome: Outcome


Progress = (
    Queued
    | Started
    | NodesCached
    | NodeStarted
    | NodeFinished
    | Step
    | PreviewImage
    | NodeSaid
    | Produced
    | Unheard
    | Ended
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where an execution stands. ``ratio`` is between 0 and 1, by nodes and the steps of those that run."""

    position: int | None
    is_started: bool
    nodes_total: int
    nodes_done: int
    running: tuple[str, ...]
    step: Step | None
    ratio: float


class Tracker:
    """Follow the execution *prompt_id*; messages about others are ignored.

    Args:
        graph: For titles and the count of nodes.
    """

    def __init__(self, prompt_id: str, graph: Graph | None = None) -> None:
        self.prompt_id = prompt_id
        self._graph = graph
        self._position: int | None = None
        self._is_started = False
        self._cached: set[str] = set()
        self._done: set[str] = set()
        self._running: dict[str, Step | None] = {}
        self._made_by: dict[str, str] = {}

    @property
    def is_started(self) -> bool:
        """Whether it has left the queue."""
        return self._is_started

    @property
    def snapshot(self) -> Snapshot:
        """Where it stands now."""
        total = max(len(self._graph) if self._graph else 0, len(self._cached | self._done | set(self._running)))
        done = len(self._cached | self._done)
        steps = [step for step in self._running.values() if step is not None and step.maximum > 0]
        share = done + sum(min(1.0, step.value / step.maximum) for step in steps)
        ratio = min(1.0, share / total) if total else 0.0
        return Snapshot(
            self._position, self._is_started, total, done, tuple(self._running), steps[-1] if steps else None, ratio
        )

    def see(self, message: said.Message) -> list[Progress]:
        """Return what *message* changes."""
        return list(self._see(message)) if self._is_mine(message) else []

    def queue_position(self, position: int) -> list[Progress]:
        """Take note of a place in the queue, 0 for running."""
        if position == 0:
            return list(self._start())
        if self._is_started or position == self._position:
            return []
        self._position = position
        return [Queued(position)]

    def _is_mine(self, message: said.Message) -> bool:
        whose = getattr(message, "prompt_id", None)
        return whose is None or whose == self.prompt_id

    def _see(self, message: said.Message) -> Iterator[Progress]:
        match message:
            case said.ExecutionStart():
                yield from self._start()
            case said.ExecutionCached(nodes=nodes):
                yield from self._start()
                self._cached |= set(nodes)
                if nodes:
                    yield NodesCached(nodes)
            case said.Executing(display_node=str() as node):
                yield from self._begin(node)
            case said.ProgressState(nodes=states):
                for state in states:
                    yield from self._state(state)
            case said.Progress(node=str() as node, value=value, maximum=maximum):
                yield from self._step(Step(self._made_by.get(node, node), value, maximum))
            case said.Preview(mime=mime, image=image):
                yield PreviewImage(message.display_node or message.node, mime, image)
            case said.NodeText(node=node, text=text):
                yield NodeSaid(node, text)
            case said.Executed(display_node=node, output=output):
                yield from self._start()
                yield Produced(node_output(node, output, is_cached=node in self._cached))
            case _:
                return

    def _start(self) -> Iterator[Progress]:
        if not self._is_started:
            self._is_started, self._position = True, 0
            yield Started()

    def _begin(self, node: str) -> Iterator[Progress]:
        if node in self._running or node in self._done:
            return
        yield from self._start()
        self._running[node] = None
        known = self._graph.nodes.get(node) if self._graph else None
        yield NodeStarted(node, known.class_type if known else None, known.label if known else node)

    def _state(self, state: said.NodeState) -> Iterator[Progress]:
        if state.display_node != state.node_id:
            # A node that another one made: what it does is progress of that other, which is not done with it.
            self._made_by[state.node_id] = state.display_node
            yield from self._begin(state.display_node)
            return
        if state.state == "running":
            yield from self._begin(state.node_id)
            yield from self._step(Step(state.node_id, state.value, state.maximum))
        elif state.state in ("finished", "error") and state.node_id not in self._done | self._cached:
            if state.node_id not in self._running:
                yield from self._begin(state.node_id)
            self._running.pop(state.node_id, None)
            self._done.add(state.node_id)
            if state.state == "finished":
                yield NodeFinished(state.node_id)

    def _step(self, step: Step) -> Iterator[Progress]:
        # Every node begins with 0 of 1, which says nothing.
        if step.maximum <= 1 or step.node_id in self._done or self._running.get(step.node_id) == step:
            return
        yield from self._begin(step.node_id)
        self._running[step.node_id] = step
        yield step
