"""Read a workflow from whatever carries one: JSON in either format of ComfyUI, or a file that ComfyUI wrote.

The *editor's format* holds nodes with positions, titles and links; the *server's format* (API) is what is run: node id
to class and inputs. A picture usually carries both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import BinaryIO, TypeAlias

from backend.errors import JSON
from backend.generation.workflows.embedded import texts_inside
from backend.generation.workflows.errors import NotAWorkflow, NoWorkflowInside, WorkflowTooLarge
from backend.generation.workflows.reading import as_list, as_mapping

Graph: TypeAlias = "Mapping[str, Mapping[str, JSON]]"
"""The server's format: node id to ``{class_type, inputs, _meta}``."""

MAX_JSON_BYTES = 32 << 20
_MAX_DEPTH_OF_WRAPPING = 4


class Format(StrEnum):
    """Which of ComfyUI's two formats a JSON document is in."""

    EDITOR = "editor"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Document:
    """A workflow as it was read: at least one of the two is there.

    ``editor`` has everything, ``graph`` is ready to run. ``carrier`` is what it was read from: ``json``, ``png``, …
    """

    editor: Mapping[str, JSON] | None
    graph: Graph | None
    carrier: str = "json"

    @property
    def best(self) -> Mapping[str, JSON]:
        """What is worth keeping: the editor's format where it is there, since it can be edited again."""
        return self.editor if self.editor is not None else as_mapping(self.graph)


def read_document(source: bytes | BinaryIO) -> Document:
    """Read a workflow from JSON text or from a picture, video or sound that carries one; blocking for a file.

    Raises:
        NotAWorkflow: It is neither.
        NoWorkflowInside: The file carries none.
        WorkflowDamaged: The file ends too early.
        WorkflowTooLarge: The JSON is larger than 32 MiB.
    """
    file = BytesIO(source) if isinstance(source, bytes) else source
    found = texts_inside(file)
    if found is not None:
        return _document_inside(*found)
    file.seek(0)
    data = file.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise WorkflowTooLarge(f"The workflow is larger than {MAX_JSON_BYTES >> 20} MiB.")
    return parse_document(data)


def parse_document(text: bytes | str) -> Document:
    """Read a workflow from JSON text, also where it is wrapped as ``{"prompt": …}`` or ``{"workflow": …}``.

    Raises:
        NotAWorkflow: The text is not JSON, or the JSON is no workflow.
    """
    value = _parse(text)
    document = document_of(value)
    if document is None:
        raise NotAWorkflow(f"This is JSON, but no workflow: {_what_is_missing(value)}.")
    return document


def document_of(value: object) -> Document | None:
    """Find the workflow in an already decoded JSON value, or None when there is none."""
    return _unwrapped(value, _MAX_DEPTH_OF_WRAPPING)


def format_of(value: object) -> Format | None:
    """Tell the format of a decoded JSON value by its shape, or None when it is no workflow."""
    content = as_mapping(value)
    nodes = content.get("nodes")
    if isinstance(nodes, list) and isinstance(content.get("links", []), list | dict):
        if all("type" in as_mapping(node) and "id" in as_mapping(node) for node in nodes):
            return Format.EDITOR
        return None
    if content and all(_is_node(node) for node in content.values()):
        return Format.SERVER
    return None


def _is_node(value: JSON) -> bool:
    node = as_mapping(value)
    return isinstance(node.get("class_type"), str) and isinstance(node.get("inputs", {}), Mapping)


def _unwrapped(value: object, depth: int) -> Document | None:
    kind = format_of(value)
    if kind is Format.EDITOR:
        return Document(as_mapping(value), None)
    if kind is Format.SERVER:
        return Document(None, _as_graph(value))
    if depth == 0:
        return None
    return _joined(_unwrapped(part, depth - 1) for part in _parts(as_mapping(value)))


def _parts(content: Mapping[str, JSON]) -> Iterator[object]:
    """Yield what a wrapped workflow may lie in: the body of POST /prompt, the front end's and other tools' exports."""
    for name in ("workflow", "prompt", "output", "workflow_api", "extra_data", "extra_pnginfo", "graph"):
        part = content.get(name)
        if isinstance(part, str) and part.lstrip().startswith("{"):
            try:
                part = _parse(part)
            except NotAWorkflow:
                continue
        if isinstance(part, Mapping):
            yield part


def _joined(documents: Iterator[Document | None]) -> Document | None:
    found = [document for document in documents if document is not None]
    if not found:
        return None
    editor = next((document.editor for document in found if document.editor is not None), None)
    graph = next((document.graph for document in found if document.graph is not None), None)
    return Document(editor, graph)


def _document_inside(carrier: str, texts: Mapping[str, str]) -> Document:
    editor: Mapping[str, JSON] | None = None
    graph: Graph | None = None
    for name in ("workflow", "prompt", "comment", "description", "usercomment", "parameters"):
        text = texts.get(name, "")
        if not text.lstrip().startswith("{"):
            continue
        try:
            document = document_of(_parse(text))
        except NotAWorkflow:
            continue
        if document is not None:
            editor = document.editor if editor is None else editor
            graph = document.graph if graph is None else graph
    if editor is None and graph is None:
        raise NoWorkflowInside(f"This {carrier} file carries no workflow of ComfyUI.")
    return Document(editor, graph, carrier)


def _parse(text: bytes | str) -> object:
    """Parse JSON; NaN and Infinity, which Python's writers let through, become null."""
    try:
        return json.loads(text, parse_constant=lambda _name: None)
    except (ValueError, RecursionError):
        raise NotAWorkflow("This is neither JSON nor a file that can carry a workflow.") from None


def _as_graph(value: object) -> Graph:
    return {key: as_mapping(node) for key, node in as_mapping(value).items()}


def _what_is_missing(value: object) -> str:
    content = as_mapping(value)
    if not content:
        return "the outermost value is no object, or an empty one"
    if as_list(content.get("nodes")):
        return "some of its nodes have no id or no type"
    return "there are neither nodes and links nor classes with inputs"
