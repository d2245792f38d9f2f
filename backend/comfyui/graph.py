"""A graph in ComfyUI's API format: ``{node id: {"class_type", "inputs", "_meta": {"title"}}}``; a value, never changed.

A link is a list of two, ``[node id, number of the output]``; anything else is a constant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from backend.comfyui.errors import InvalidInput, NodeProblem
from backend.comfyui.shapes import mapping, sequence, text
from backend.errors import JSON

_MAX_NODES = 10_000


@dataclass(frozen=True, slots=True)
class Link:
    """An input that is fed by an output of another node."""

    source: str
    output: int
    target: str
    input: str


@dataclass(frozen=True, slots=True)
class Node:
    """One node; ``title`` is what its author calls it, None where it has no name of its own."""

    id: str
    class_type: str
    inputs: Mapping[str, JSON]
    title: str | None = None

    def links(self) -> Iterator[Link]:
        """Walk the inputs that are links."""
        for name, value in self.inputs.items():
            if is_link(value):
                source, output = cast("tuple[str, float]", tuple(sequence(value)))
                yield Link(source, int(output), self.id, name)

    @property
    def label(self) -> str:
        """What a person calls the node."""
        return self.title or self.class_type


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by id, in the order in which they were written."""

    nodes: Mapping[str, Node]
    document: Mapping[str, JSON]

    @classmethod
    def parse(cls, document: object, *, strict: bool = True) -> Graph:
        """Read *document* and make sure that it is a graph: nodes, links to nodes that exist, no circle.

        Args:
            strict: False leaves links and circles to the server, which judges only what an output needs.
        Raises:
            InvalidInput: It is not; the details name the nodes.
        """
        body = _document(document)
        nodes = {node_id: _node(node_id, value) for node_id, value in body.items()}
        graph = cls(nodes, body)
        problems = [*_dangling(graph), *_circle(graph)] if strict else []
        if problems:
            raise InvalidInput(f"The graph cannot run: {problems[0].message}", problems=problems)
        return graph

    def __len__(self) -> int:
        return len(self.nodes)

    def links(self) -> Iterator[Link]:
        """Walk every link."""
        for node in self.nodes.values():
            yield from node.links()

    def title(self, node_id: str) -> str | None:
        """Return what the author calls the node, None where the node is not known or has no title."""
        node = self.nodes.get(node_id)
        return None if node is None else node.title

    def label(self, node_id: str) -> str:
        """Return the node's title, its class, or the id itself."""
        node = self.nodes.get(node_id)
        return node_id if node is None else node.label

    def with_inputs(self, changes: Mapping[tuple[str, str], JSON]) -> Graph:
        """Return a graph in which the inputs *changes*, by (node id, input name), have other values.

        Raises:
            InvalidInput: A node is not there, or the graph does not hold together any more.
        """
        missing = sorted({node_id for node_id, _ in changes} - set(self.nodes))
        if missing:
            raise InvalidInput(f"The graph has no node {missing[0]}.")
        document: dict[str, JSON] = dict(self.document)
        for (node_id, name), value in changes.items():
            node = mapping(document[node_id])
            document[node_id] = {**node, "inputs": {**mapping(node.get("inputs")), name: value}}
        return Graph.parse(document)

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of what the graph computes: titles and the order of nodes and inputs do not matter."""
        plain = {node.id: [node.class_type, node.inputs] for node in self.nodes.values()}
        packed = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(packed.encode("utf-8", "surrogatepass")).hexdigest()


def is_link(value: object) -> bool:
    """Tell whether the value of an input is a link to another node."""
    parts = sequence(value)
    if len(parts) != 2:
        return False
    source, output = parts
    return isinstance(source, str) and isinstance(output, (int, float)) and not isinstance(output, bool)


def _document(value: object) -> dict[str, JSON]:
    body = mapping(value)
    if not isinstance(value, dict):
        raise InvalidInput("A graph is a JSON object with one entry per node.")
    if isinstance(body.get("nodes"), list):
        raise InvalidInput(
            "This is a workflow as ComfyUI's editor saves it, not a graph in API format.",
            hint="Send it as `workflow` instead of `prompt`, or export it with Workflow → Export (API).",
            details={"format": "ui"},
        )
    if not body:
        raise InvalidInput("The graph has no nodes.")
    if len(body) > _MAX_NODES:
        raise InvalidInput(f"The graph has more than {_MAX_NODES:,} nodes.")
    return body


def _node(node_id: str, value: JSON) -> Node:
    body = mapping(value)
    class_type, inputs = text(body.get("class_type")), body.get("inputs")
    if class_type is None:
        raise InvalidInput(f"Node {node_id} does not say which class it is of.", details={"node_id": node_id})
    if not isinstance(inputs, dict):
        raise InvalidInput(f"Node {node_id} ({class_type}) has no inputs.", details={"node_id": node_id})
    title = text(mapping(body.get("_meta")).get("title"))
    return Node(node_id, class_type, mapping(inputs), None if title in ("", class_type) else title)


def _dangling(graph: Graph) -> Iterator[NodeProblem]:
    for link in graph.links():
        if link.source not in graph.nodes:
            node = graph.nodes[link.target]
            message = f"{node.label} takes {link.input} from node {link.source}, which is not there."
            yield NodeProblem(node.id, node.class_type, "dangling_link", message, link.input, title=node.title)


def _circle(graph: Graph) -> Iterator[NodeProblem]:
    waits_for = {node.id: {link.source for link in node.links()} & set(graph.nodes) for node in graph.nodes.values()}
    waiting = _peeled(waits_for)
    # What only waits for a circle is not part of it: peel from the other end too.
    circle = _peeled(_turned(waiting))
    for node_id in waits_for:
        if node_id in circle:
            node = graph.nodes[node_id]
            message = f"{node.label} waits for its own result."
            yield NodeProblem(node.id, node.class_type, "dependency_cycle", message, title=node.title)


def _peeled(waits_for: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Take away nodes that wait for nobody until none is left; return what stays (Kahn 1962, linear)."""
    left = {node_id: set(sources) for node_id, sources in waits_for.items()}
    targets = _turned(left)
    free = [node_id for node_id, sources in left.items() if not sources]
    while free:
        done = free.pop()
        del left[done]
        for target in targets[done]:
            left[target].discard(done)
            if not left[target]:
                free.append(target)
    return left


def _turned(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    turned: dict[str, set[str]] = {node_id: set() for node_id in edges}
    for node_id, sources in edges.items():
        for source in sources:
            turned[source].add(node_id)
    return turned
