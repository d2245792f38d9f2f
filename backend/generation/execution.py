"""One take on one ComfyUI, from before it is sent until it is known how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from backend.comfyui import (
    ComfyUIError,
    Ended,
    Graph,
    NodeFinished,
    NodeOutput,
    NodeProblem,
    NodesCached,
    NodeStarted,
    Outcome,
    PreviewImage,
    Watch,
)
from backend.comfyui import Step as NodeStep
from backend.errors import JSON
from backend.generation.ports import Output
from backend.generation.shown import Live, NodeShown, NodeState, Step
from backend.kit.clock import monotonic_s

_CANCEL_AGAIN_S = 1.0
_SOCKET_CLASSES = frozenset({"SaveImageWebsocket"})
_RESULT_MIME = "image/png"  # previews are JPEG; what a node delivers over the socket is PNG


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture of a result in the making."""

    mime: str
    image: bytes = field(repr=False)
    node_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """How a take ended.

    ``problems``: outputs that ComfyUI left out. ``is_whole`` is false when results that only the socket carries were missed.
    """

    outcome: Outcome
    outputs: tuple[Output, ...]
    node_s: Mapping[str, float]
    problems: tuple[NodeProblem, ...]
    is_whole: bool


class Execution:
    """Run *graph* as take number *place* under the prompt id of *watch*.

    Args:
        told: Called with the state of things whenever it changes, and with previews.
    """

    def __init__(self, watch: Watch, graph: Graph, place: int, told: Callable[[Live, Preview | None], None]) -> None:
        self._watch = watch
        self._graph = graph
        self._place = place
        self._told = told
        self._node: NodeShown | None = None
        self._nodes: dict[str, NodeState] = {}
        self._began_s: dict[str, float] = {}
        self._node_s: dict[str, float] = {}
        self._pictures: list[tuple[str, bytes]] = []
        self._problems: tuple[NodeProblem, ...] = ()
        self._cancelling: asyncio.Task[None] | None = None

    async def run(self, extra_data: Mapping[str, JSON], *, is_sent: bool) -> Ran:
        """Send it, or go on with what was sent by an earlier life, and wait until it is over.

        Raises:
            InvalidInput, MissingNode, MissingModel: ComfyUI does not accept it.
            ComfyUIError: It cannot be found out how it ends; it may still be going on.
        Cancelled: ComfyUI goes on; nothing is lost.
        """
        try:
            if is_sent:
                self._watch.attach()
            else:
                self._problems = (await self._watch.submit(self._graph, extra_data=extra_data)).problems
            async for progress in self._watch:
                if isinstance(progress, Ended):
                    return self._ran(progress.outcome)
                self._hear(progress)
        finally:
            if self._cancelling is not None:
                self._cancelling.cancel()
        raise AssertionError("a watch ends with Ended or an error")

    def cancel(self) -> None:
        """Have ComfyUI drop it; asked again until it is over, for a request may get lost."""
        if self._cancelling is None:
            self._cancelling = asyncio.get_running_loop().create_task(self._cancel(), name="generation cancel")

    async def _cancel(self) -> None:
        while True:
            with suppress(ComfyUIError):
                await self._watch.cancel()
            await asyncio.sleep(_CANCEL_AGAIN_S)

    def _hear(self, progress: object) -> None:
        preview = None
        match progress:
            case NodesCached(nodes=nodes):
                self._nodes.update(dict.fromkeys(nodes, NodeState.CACHED))
            case NodeStarted(node_id=node_id, label=label):
                self._node = NodeShown(node_id, label)
                self._nodes[node_id] = NodeState.RUNNING
                self._began_s[node_id] = monotonic_s()
            case NodeFinished(node_id=node_id):
                self._nodes[node_id] = NodeState.DONE
                if node_id in self._began_s:
                    self._node_s[node_id] = round(monotonic_s() - self._began_s.pop(node_id), 3)
            case PreviewImage(node_id=node_id, mime=mime, image=image):
                preview = Preview(mime, image, node_id)
                if mime == _RESULT_MIME and self._is_socket_node(node_id):
                    self._pictures.append((node_id or self._socket_nodes()[0], image))
            case _:
                pass
        self._told(self._live(), preview)

    def _live(self) -> Live:
        snapshot = self._watch.snapshot
        step = snapshot.step
        shown = Step(step.value, step.maximum) if isinstance(step, NodeStep) else None
        return Live(ratio=snapshot.ratio, step=shown, node=self._node, nodes=dict(self._nodes))

    def _ran(self, outcome: Outcome) -> Ran:
        delivered = {node_id for node_id, _ in self._pictures}
        is_whole = all(node_id in delivered for node_id in self._socket_nodes())
        outputs = [*outputs_of(self._place, outcome.outputs), *self._socket_outputs()]
        return Ran(outcome, tuple(outputs), self._node_s, self._problems, is_whole)

    def _socket_nodes(self) -> list[str]:
        return [node.id for node in self._graph.nodes.values() if node.class_type in _SOCKET_CLASSES]

    def _is_socket_node(self, node_id: str | None) -> bool:
        nodes = self._socket_nodes()
        return node_id in nodes or (node_id is None and len(nodes) == 1)

    def _socket_outputs(self) -> list[Output]:
        return [
            Output(f"{self._place}/{node_id}/socket/{number}", node_id, data=image, mime=_RESULT_MIME)
            for number, (node_id, image) in enumerate(self._pictures)
        ]


def outputs_of(place: int, found: tuple[NodeOutput, ...]) -> list[Output]:
    """Return what nodes showed, files that are to be kept before those that a preview left in the temporary folder.

    Where anything is kept, temporary files are left out: they are previews of the same.
    """
    files = [(node, number, file) for node in found for number, file in enumerate(node.files) if file.type != "input"]
    kept = [each for each in files if not each[2].is_temporary] or files
    outputs = [
        Output(f"{place}/{node.node_id}/{file.key}/{number}", node.node_id, file=file, is_animated=node.is_animated)
        for node, number, file in kept
    ]
    return outputs + [
        Output(f"{place}/{node.node_id}/text/{number}", node.node_id, text=text)
        for node in found
        for number, text in enumerate(node.texts)
    ]
