"""The values that a subgraph's node shows on its outside for widgets that lie inside.

Three generations of files: values in a row or by name on the node (now); a list of inside widgets on the node,
``properties.proxyWidgets``, with values beside it or inside; and values that a newer front end put aside when it could
not make sense of that list, ``properties.proxyWidgetErrorQuarantine``. Where the node has none, the inside's count, and
of several inside widgets behind one input the first one's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from backend.errors import JSON
from backend.generation.workflows.convert.schema import Node, Port
from backend.generation.workflows.convert.tree import Scope
from backend.generation.workflows.convert.widgets import controls_after, overridden, widget_values
from backend.generation.workflows.definitions import ObjectInfo, definition_of
from backend.generation.workflows.reading import as_id, as_list, as_mapping, as_text

_ITSELF = "-1"
_LEGACY_PREFIX = re.compile(r"^\s*\d+\s*:\s*(?=.)")


@dataclass(frozen=True, slots=True)
class Promotion:
    """Where a value shows on the outside: the node of the subgraph, and the name and label of its input there."""

    host_id: str
    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Value:
    """A value in the place of a link, and where it is shown if that is not the node itself."""

    content: JSON
    shown: Promotion | None = None


@dataclass(slots=True)
class _Outside:
    """What a subgraph's node says: values of its inputs, and values of inside widgets by node id and name."""

    by_input: dict[str, JSON] = field(default_factory=dict[str, JSON])
    by_widget: dict[str, dict[str, JSON]] = field(default_factory=dict[str, "dict[str, JSON]"])


class Widgets:
    """The values of all widgets of an unfolded workflow."""

    def __init__(self, object_info: ObjectInfo, linkable: frozenset[str]) -> None:
        self._object_info = object_info
        self._linkable = linkable
        self._outsides: dict[tuple[str, ...], _Outside] = {}

    def of_node(self, scope: Scope, node: Node) -> dict[str, JSON]:
        """Return the widgets of a node with their values; none for a class that is not known."""
        definition = definition_of(self._object_info, node.type)
        if definition is None:
            return {}
        values = widget_values(node, definition, self._linkable)
        return overridden(values, self._outside(scope).by_widget.get(node.id, {}))

    def of_primitive(self, scope: Scope, node: Node) -> Value | None:
        """Return the value of a primitive node, None when it never had one."""
        changed = self._outside(scope).by_widget.get(node.id, {})
        if changed:
            return Value(next(iter(changed.values())))
        return Value(node.values[0]) if node.values else None

    def of_port(self, scope: Scope, port: Port) -> Value | None:
        """Return the value of an input of the subgraph *scope* that nothing is linked to on its outside."""
        value = self._of_port(scope, port)
        shown = Promotion(":".join(scope.path), port.name, port.label or port.name)
        return None if value is None else Value(value.content, shown)

    def _of_port(self, scope: Scope, port: Port) -> Value | None:
        outside = self._outside(scope).by_input
        if port.name in outside:
            return Value(outside[port.name])
        for node, name in self._targets(scope, port):
            inner = scope.children.get(node.id)
            if inner is None:
                values = self.of_node(scope, node)
                return Value(values[name]) if name in values else None
            changed = self._outside(scope).by_widget.get(node.id, {})
            if name in changed:
                return Value(changed[name])
            return next((self._of_port(inner, each) for each in inner.sheet.inputs if each.name == name), None)
        return None

    def _targets(self, scope: Scope, port: Port) -> Iterator[tuple[Node, str]]:
        """Yield the inside widgets that an input leads to, in order: node and name of the widget."""
        for link_id in port.links:
            link = scope.sheet.links.get(link_id)
            node = scope.sheet.nodes.get(link.target_id) if link else None
            socket = next((each for each in node.inputs if each.link == link_id), None) if node else None
            if node is not None and socket is not None and self._is_widget(scope, node, socket.name, socket.widget):
                yield node, socket.widget or socket.name

    def _is_widget(self, scope: Scope, node: Node, name: str, widget: str | None) -> bool:
        inner = scope.children.get(node.id)
        if inner is not None:
            return any(each.name == name and any(self._targets(inner, each)) for each in inner.sheet.inputs)
        if definition_of(self._object_info, node.type) is None:
            return widget is not None
        return name in self._plain_values(node)

    def _plain_values(self, node: Node) -> Mapping[str, JSON]:
        definition = definition_of(self._object_info, node.type)
        return widget_values(node, definition, self._linkable) if definition else {}

    def _outside(self, scope: Scope) -> _Outside:
        if scope.path not in self._outsides:
            self._outsides[scope.path] = self._read_outside(scope)
        return self._outsides[scope.path]

    def _read_outside(self, scope: Scope) -> _Outside:
        outside = _Outside()
        host = scope.host
        if host is None:
            return outside
        proxies = as_list(host.properties.get("proxyWidgets"))
        if proxies and not host.named:
            self._read_proxies(scope, host, proxies, outside)
        else:
            self._read_row(scope, host, outside)
        outside.by_input.update(_put_aside(host))
        outside.by_input.update(host.named)
        return outside

    def _read_proxies(self, scope: Scope, host: Node, proxies: Iterator[JSON] | object, outside: _Outside) -> None:
        for entry, value in zip(map(as_list, as_list(proxies)), host.values, strict=False):
            if len(entry) < 2 or value is None:
                continue
            node_id, name = as_id(entry[0]), as_text(entry[1])
            if node_id is None:
                continue
            if node_id == _ITSELF:
                outside.by_input[name] = value
                continue
            port = self._port_to(scope, node_id, name)
            if port is not None:
                outside.by_input[port.name] = value
            else:
                outside.by_widget.setdefault(node_id, {})[_LEGACY_PREFIX.sub("", name)] = value

    def _port_to(self, scope: Scope, node_id: str, name: str) -> Port | None:
        for port in scope.sheet.inputs:
            if any(node.id == node_id and widget == name for node, widget in self._targets(scope, port)):
                return port
        return None

    def _read_row(self, scope: Scope, host: Node, outside: _Outside) -> None:
        """Name the values of the row; old files have a value more for every seed, as the inside node has."""
        ports = [port for port in scope.sheet.inputs if any(self._targets(scope, port))]
        counts_controls = len(host.values) > len(ports)
        position = 0
        for port in ports:
            if position < len(host.values) and host.values[position] is not None:
                outside.by_input[port.name] = host.values[position]
            position += 1 + (self._has_control(scope, port) if counts_controls else 0)

    def _has_control(self, scope: Scope, port: Port) -> int:
        for node, name in self._targets(scope, port):
            inner = scope.children.get(node.id)
            if inner is not None:
                return next((self._has_control(inner, each) for each in inner.sheet.inputs if each.name == name), 0)
            definition = definition_of(self._object_info, node.type)
            inputs = definition.unfolded(self._plain_values(node)) if definition else ()
            return next((min(1, controls_after(each)) for each in inputs if each.name == name), 0)
        return 0


def _put_aside(host: Node) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    for entry in map(as_mapping, as_list(host.properties.get("proxyWidgetErrorQuarantine"))):
        original = as_list(entry.get("originalEntry"))
        value = entry.get("hostValue")
        if len(original) >= 2 and as_id(original[0]) == _ITSELF and value is not None:
            found.setdefault(as_text(original[1]), value)
    return found
