"""Follow a link backwards to what really feeds it: through reroutes, bypassed nodes and the borders of subgraphs."""

from __future__ import annotations

from dataclasses import dataclass

from backend.generation.workflows.convert.promoted import Value, Widgets
from backend.generation.workflows.convert.schema import Link, Node, Socket
from backend.generation.workflows.convert.tree import GETTERS, PRIMITIVE, REROUTES, SETTERS, Scope
from backend.generation.workflows.errors import ConversionFailed


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a node that runs."""

    scope: Scope
    node: Node
    slot: int


class Cut:
    """What feeds the link does not run: the input stays empty, whatever its widget says."""


_CUT = Cut()


@dataclass(frozen=True, slots=True)
class _At:
    """A link on its canvas."""

    scope: Scope
    link: Link


def follow(scope: Scope, socket: Socket, widgets: Widgets) -> Output | Value | Cut | None:
    """Return what feeds an input; None when nothing does, so that its widget counts.

    Raises:
        ConversionFailed: The links run in a circle.
    """
    at = _at(scope, socket)
    seen: set[tuple[tuple[str, ...], str]] = set()
    while isinstance(at, _At):
        place = (at.scope.path, at.link.id)
        if place in seen:
            raise ConversionFailed(f"The links around {_name(at.scope, at.link.origin_id)} run in a circle.")
        seen.add(place)
        at = _step(at, socket.type, widgets)
    return at


def _at(scope: Scope, socket: Socket | None) -> _At | None:
    link = scope.link_of(socket) if socket is not None else None
    return None if link is None else _At(scope, link)


def _step(at: _At, wanted: str, widgets: Widgets) -> _At | Output | Value | Cut | None:
    scope, link = at.scope, at.link
    if scope.host is not None and link.origin_id == scope.sheet.input_node:
        return _outwards(scope, link, widgets)
    node = scope.sheet.nodes.get(link.origin_id)
    if node is None or node.type == PRIMITIVE:
        return widgets.of_primitive(scope, node) if node is not None else None
    if node.is_muted:
        return _CUT
    if node.is_bypassed:
        return _at(scope, _passing_input(node, link.origin_slot, wanted))
    return _through(scope, node, link.origin_slot)


def _through(scope: Scope, node: Node, slot: int) -> _At | Output | None:
    """Pass a node that is not there for the server, or stop at one that is."""
    if node.id in scope.children:
        return _inwards(scope.children[node.id], slot)
    if node.type in REROUTES or node.type in SETTERS:
        return _at(scope, node.inputs[0] if node.inputs else None)
    return _from_setter(scope, node) if node.type in GETTERS else Output(scope, node, slot)


def _outwards(scope: Scope, link: Link, widgets: Widgets) -> _At | Value | None:
    """Leave a subgraph through one of its inputs. The node outside may list its inputs in another order, or not all."""
    if scope.host is None or scope.parent is None or link.origin_slot >= len(scope.sheet.inputs):
        return None
    port = scope.sheet.inputs[link.origin_slot]
    twins = [each for each in scope.sheet.inputs if each.name == port.name]
    sockets = [each for each in scope.host.inputs if each.name == port.name]
    rank = twins.index(port)
    at = _at(scope.parent, sockets[rank]) if rank < len(sockets) else None
    return at if at is not None else widgets.of_port(scope, port)


def _inwards(scope: Scope, slot: int) -> _At | None:
    """Enter a subgraph through one of its outputs."""
    if slot >= len(scope.sheet.outputs):
        return None
    links = [scope.sheet.links[each] for each in scope.sheet.outputs[slot].links if each in scope.sheet.links]
    links += [
        each
        for each in scope.sheet.links.values()
        if each.target_id == scope.sheet.output_node and each.target_slot == slot
    ]
    return _At(scope, links[0]) if links else None


def _from_setter(scope: Scope, node: Node) -> _At | None:
    """Find the node that sets what this one gets: on the same canvas, else further out."""
    name = node.values[0] if node.values else None
    outer: Scope | None = scope
    while outer is not None:
        for each in outer.sheet.nodes.values():
            if each.type in SETTERS and each.values[:1] == (name,):
                return _at(outer, each.inputs[0] if each.inputs else None)
        outer = outer.parent
    return None


def _passing_input(node: Node, slot: int, wanted: str) -> Socket | None:
    """Choose the input that a bypassed node lets through to an output, by type."""
    inputs = node.inputs
    output = node.outputs[slot].type if slot < len(node.outputs) else "*"
    if wanted in ("*", ""):
        return inputs[slot] if slot < len(inputs) else (inputs[0] if inputs else None)
    opposite = inputs[slot : slot + 1]
    same = [each for each in inputs if each.type == wanted]
    fitting = [each for each in inputs if _fits(each.type, output) and _fits(each.type, wanted)]
    return next((each for each in (*(o for o in opposite if o in fitting), *same, *fitting)), None)


def _fits(left: str, right: str) -> bool:
    """Tell whether two types may be linked: the same, one of a list, or anything."""
    if "*" in (left, right) or "" in (left, right):
        return True
    return bool(set(left.upper().split(",")) & set(right.upper().split(",")))


def _name(scope: Scope, node_id: str) -> str:
    node = scope.sheet.nodes.get(node_id)
    return f"node {node_id}" if node is None else f"{node.title or node.type!r} (node {scope.id_of(node)})"
