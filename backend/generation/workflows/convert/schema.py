"""The editor's format as values: nodes, sockets, links and subgraphs, in old and new spellings alike.

Ids of nodes and links are text here, whatever they are in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import cast

from backend.errors import JSON
from backend.generation.workflows.reading import as_id, as_int, as_list, as_mapping, as_text

SUBGRAPH_INPUT, SUBGRAPH_OUTPUT = "-10", "-20"


class Mode(IntEnum):
    """Whether a node runs (LiteGraph's numbers); every other number means that it does."""

    ALWAYS = 0
    MUTED = 2
    BYPASSED = 4


@dataclass(frozen=True, slots=True)
class Socket:
    """An input or output of a node. ``widget`` names the widget that an input stands for, None for a plain socket."""

    name: str
    type: str
    link: str | None = None
    widget: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A connection from an output to an input, by index."""

    id: str
    origin_id: str
    origin_slot: int
    target_id: str
    target_slot: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it was saved. ``values`` are its widgets' values in order, ``named`` by name where they were saved so."""

    id: str
    type: str
    title: str | None
    mode: int
    inputs: tuple[Socket, ...]
    outputs: tuple[Socket, ...]
    values: tuple[JSON, ...]
    named: Mapping[str, JSON]
    properties: Mapping[str, JSON]

    @property
    def is_muted(self) -> bool:
        """Whether it does not run, and nothing comes out of it."""
        return self.mode == Mode.MUTED

    @property
    def is_bypassed(self) -> bool:
        """Whether it does not run, and lets pass what comes in."""
        return self.mode == Mode.BYPASSED


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a subgraph: the links inside that it is joined to, in order."""

    name: str
    type: str
    links: tuple[str, ...]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One canvas: the whole workflow, or the definition of a subgraph."""

    id: str
    name: str
    nodes: Mapping[str, Node]
    links: Mapping[str, Link]
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    input_node: str = SUBGRAPH_INPUT
    output_node: str = SUBGRAPH_OUTPUT


@dataclass(frozen=True, slots=True)
class Workflow:
    """A whole workflow: its own canvas, and the subgraphs that nodes of any canvas may stand for, by id."""

    sheet: Sheet
    subgraphs: Mapping[str, Sheet] = field(default_factory=dict[str, Sheet])


def read_workflow(content: Mapping[str, JSON]) -> Workflow:
    """Read a workflow in the editor's format; what cannot be understood is left out."""
    subgraphs = {sheet.id: sheet for sheet in _subgraphs(content)}
    return Workflow(_sheet(content), subgraphs)


def _subgraphs(content: Mapping[str, JSON]) -> Iterator[Sheet]:
    """Yield every definition, also those that a definition holds itself."""
    pending = [content]
    while pending:
        definitions = as_list(as_mapping(pending.pop().get("definitions")).get("subgraphs"))
        for definition in map(as_mapping, definitions):
            yield _sheet(definition)
            pending.append(definition)


def _sheet(content: Mapping[str, JSON]) -> Sheet:
    nodes = [_node(as_mapping(node)) for node in as_list(content.get("nodes"))]
    raw_links = content.get("links")
    links = [_link(link) for link in (raw_links.values() if isinstance(raw_links, dict) else as_list(raw_links))]
    return Sheet(
        id=as_text(content.get("id")),
        name=as_text(content.get("name")),
        nodes={node.id: node for node in nodes if node is not None},
        links={link.id: link for link in links if link is not None},
        inputs=tuple(_port(as_mapping(port)) for port in as_list(content.get("inputs"))),
        outputs=tuple(_port(as_mapping(port)) for port in as_list(content.get("outputs"))),
        input_node=as_id(as_mapping(content.get("inputNode")).get("id")) or SUBGRAPH_INPUT,
        output_node=as_id(as_mapping(content.get("outputNode")).get("id")) or SUBGRAPH_OUTPUT,
    )


def _node(content: Mapping[str, JSON]) -> Node | None:
    node_id, kind = as_id(content.get("id")), as_text(content.get("type"))
    if node_id is None or not kind:
        return None
    saved = content.get("widgets_values")
    named = as_mapping(content.get("widgets_values_named"))
    return Node(
        id=node_id,
        type=kind,
        title=as_text(content.get("title")) or None,
        mode=as_int(content.get("mode")) or Mode.ALWAYS,
        inputs=tuple(_socket(as_mapping(socket)) for socket in as_list(content.get("inputs"))),
        outputs=tuple(_socket(as_mapping(socket)) for socket in as_list(content.get("outputs"))),
        values=tuple(as_list(saved)),
        named={**as_mapping(saved), **named},  # some node packs save an object in place of the list
        properties=as_mapping(content.get("properties")),
    )


def _socket(content: Mapping[str, JSON]) -> Socket:
    widget = content.get("widget")
    name = as_text(content.get("name"))
    kind = content.get("type")
    return Socket(
        name=name,
        type="COMBO" if isinstance(kind, list) else as_text(kind) or "*",  # old files list the choices in place of it
        link=as_id(content.get("link")),
        widget=(as_text(as_mapping(widget).get("name")) or name) if isinstance(widget, Mapping) else None,
    )


def _link(content: JSON) -> Link | None:
    if isinstance(content, list):
        numbers = cast("list[JSON]", content)
        parts: list[JSON] = [*numbers, None, None, None, None, None][:5]
    else:
        fields = as_mapping(content)
        parts = [fields.get(name) for name in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    link_id, origin, target = as_id(parts[0]), as_id(parts[1]), as_id(parts[3])
    origin_slot, target_slot = as_int(parts[2]), as_int(parts[4])
    if link_id is None or origin is None or target is None or origin_slot is None or target_slot is None:
        return None
    return Link(link_id, origin, origin_slot, target, target_slot)


def _port(content: Mapping[str, JSON]) -> Port:
    links = (as_id(link) for link in as_list(content.get("linkIds")))
    return Port(
        name=as_text(content.get("name")),
        type=as_text(content.get("type")) or "*",
        links=tuple(link for link in links if link is not None),
        label=as_text(content.get("label")) or None,
    )
