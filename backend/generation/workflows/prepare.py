"""From a document to what can be run: the graph, and the inputs that people may set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.errors import JSON
from backend.generation.workflows.convert import Conversion, convert
from backend.generation.workflows.definitions import ObjectInfo
from backend.generation.workflows.document import Document, Graph
from backend.generation.workflows.errors import ConversionFailed
from backend.generation.workflows.inputs import Field, infer_inputs
from backend.generation.workflows.reading import as_id, as_list, as_mapping, is_number


@dataclass(frozen=True, slots=True)
class Prepared:
    """A graph in the server's format and its inputs."""

    graph: Graph
    fields: tuple[Field, ...]


def prepare(document: Document, object_info: ObjectInfo) -> Prepared:
    """Convert a document and find its inputs; a pure function, some tens of milliseconds for large workflows.

    A picture carries both formats: where its editor's format cannot be converted, what was run for it counts.

    Raises:
        UnknownNodes, ConversionFailed: The document cannot be converted, and there is nothing else to run.
    """
    conversion = _converted(document, object_info)
    if conversion is None:
        graph = document.graph or {}
        return Prepared(graph, infer_inputs(graph, object_info))
    places = places_of(document.editor or {})
    fields = infer_inputs(conversion.graph, object_info, promotions=conversion.promotions, places=places)
    return Prepared(conversion.graph, fields)


def places_of(editor: Mapping[str, JSON]) -> dict[str, tuple[float, float]]:
    """Return where each node stands on the outermost canvas: y and x, in the editor's units."""
    places: dict[str, tuple[float, float]] = {}
    for node in map(as_mapping, as_list(editor.get("nodes"))):
        node_id, position = as_id(node.get("id")), node.get("pos")
        # Old files write {"0": x, "1": y}.
        x, y = as_list(position)[:2] if isinstance(position, list) and len(position) > 1 else _pair(position)
        if node_id is not None and is_number(x) and is_number(y):
            places[node_id] = (float(str(y)), float(str(x)))
    return places


def _pair(position: JSON) -> tuple[JSON, JSON]:
    content = as_mapping(position)
    return content.get("0"), content.get("1")


def _converted(document: Document, object_info: ObjectInfo) -> Conversion | None:
    if document.editor is None:
        return None
    try:
        return convert(document.editor, object_info)
    except ConversionFailed:
        if document.graph is None:
            raise
        return None
