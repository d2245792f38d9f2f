"""Write the graph that the server runs: one entry per node that runs, with values and links by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.errors import JSON
from backend.generation.workflows.convert.follow import Cut, Output, follow
from backend.generation.workflows.convert.promoted import Promotion, Value, Widgets
from backend.generation.workflows.convert.schema import Node, read_workflow
from backend.generation.workflows.convert.tree import Scope, is_decoration, unfold_workflow
from backend.generation.workflows.definitions import ObjectInfo, definition_of
from backend.generation.workflows.errors import ConversionFailed, UnknownNodes
from backend.generation.workflows.reading import as_list, as_mapping, as_text

_GROUP_MARKS = ("workflow>", "workflow/")


@dataclass(frozen=True, slots=True)
class Conversion:
    """The graph, and which inputs (node id and name) show on the outside of a subgraph."""

    graph: dict[str, dict[str, JSON]]
    promotions: Mapping[tuple[str, str], Promotion]


def convert(content: Mapping[str, JSON], object_info: ObjectInfo) -> Conversion:
    """Return the server's format of a workflow in the editor's format.

    Ids of nodes inside subgraphs read ``outer:inner``. Every link leads to an output of a node in the result.

    Raises:
        UnknownNodes: The server lacks classes of nodes that would run; ``details.nodes`` lists them.
        ConversionFailed: Links run in a circle, a subgraph contains itself, or there are group nodes of old versions.
    """
    root = unfold_workflow(read_workflow(content))
    running = [(scope, node) for scope, node in root.running() if node.type in object_info or not is_decoration(node)]
    _refuse_unknown([(scope, node) for scope, node in running if definition_of(object_info, node.type) is None])
    widgets = Widgets(object_info, _linkable_types(object_info))
    promotions: dict[tuple[str, str], Promotion] = {}
    graph = {scope.id_of(node): _entry(scope, node, widgets, object_info, promotions) for scope, node in running}
    for entry in graph.values():
        entry["inputs"] = {name: value for name, value in as_mapping(entry["inputs"]).items() if _leads(value, graph)}
    return Conversion(graph, promotions)


def _entry(
    scope: Scope,
    node: Node,
    widgets: Widgets,
    object_info: ObjectInfo,
    promotions: dict[tuple[str, str], Promotion],
) -> dict[str, JSON]:
    inputs: dict[str, JSON] = {name: _kept(value) for name, value in widgets.of_node(scope, node).items()}
    for socket in node.inputs:
        found = follow(scope, socket, widgets)
        if isinstance(found, Output):
            inputs[socket.name] = [found.scope.id_of(found.node), found.slot]
        elif isinstance(found, Value):
            inputs[socket.name] = _kept(found.content)
            if found.shown is not None:
                promotions[scope.id_of(node), socket.name] = found.shown
        elif isinstance(found, Cut):
            inputs.pop(socket.name, None)
    definition = definition_of(object_info, node.type)
    title = node.title or (definition.display_name if definition else node.type)
    return {"class_type": node.type, "inputs": inputs, "_meta": {"title": title}}


def _kept(value: JSON) -> JSON:
    """Wrap a list, which the server would take for a link."""
    return {"__value__": value} if isinstance(value, list) else value


def _leads(value: JSON, graph: Mapping[str, object]) -> bool:
    """Tell whether a value is no link, or a link to a node that is there."""
    return not isinstance(value, list) or value[0] in graph


def _linkable_types(object_info: ObjectInfo) -> frozenset[str]:
    types: set[str] = set()
    for content in object_info.values():
        for output in as_list(as_mapping(content).get("output")):
            types.update(as_text(output).split(","))
    return frozenset(types - {""})


def _refuse_unknown(nodes: list[tuple[Scope, Node]]) -> None:
    if not nodes:
        return
    grouped = next(((scope, node) for scope, node in nodes if node.type.startswith(_GROUP_MARKS)), None)
    if grouped is not None:
        scope, node = grouped
        raise ConversionFailed(
            f"{node.title or node.type!r} (node {scope.id_of(node)}) is a group node, the forerunner of subgraphs.",
            hint="Open the workflow in a newer ComfyUI, convert its group nodes to subgraphs and save it again.",
        )
    classes = sorted({node.type for _, node in nodes})
    listed: list[JSON] = [
        {"id": scope.id_of(node), "class_type": node.type, "title": node.title or node.type} for scope, node in nodes
    ]
    shown = ", ".join(classes[:5]) + (f" and {len(classes) - 5} more" if len(classes) > 5 else "")
    raise UnknownNodes(
        f"This ComfyUI does not have {'the node' if len(classes) == 1 else 'the nodes'} {shown}.",
        details={"nodes": listed, "classes": list[JSON](classes)},
    )
