"""What nodes a ComfyUI has: GET /object_info as values, and what a graph lacks against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from backend.comfyui.errors import NodeProblem
from backend.comfyui.graph import Graph, Node, is_link
from backend.comfyui.model_inputs import folder_of, is_model_input
from backend.comfyui.shapes import mapping, sequence, text, texts
from backend.errors import JSON

_SECTIONS = ("required", "optional")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """An input of a node class: ``type`` is ``COMBO`` for a choice, ``choices`` its values, ``options`` everything else."""

    name: str
    type: str
    is_required: bool
    choices: tuple[JSON, ...] | None
    options: Mapping[str, JSON] = field(repr=False)


@dataclass(frozen=True, slots=True)
class NodeClass:
    """A class of nodes; ``document`` is its whole entry."""

    name: str
    display_name: str
    category: str
    is_output: bool
    inputs: Mapping[str, InputSpec] = field(repr=False)
    output_types: tuple[str, ...]
    python_module: str | None
    document: Mapping[str, JSON] = field(repr=False)

    @property
    def is_custom(self) -> bool:
        """Whether a custom node brings the class."""
        return (self.python_module or "").startswith("custom_nodes")


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A model file that a graph names; ``folder`` is None where the kind of model is not known."""

    node_id: str
    class_type: str
    input: str
    name: str
    folder: str | None
    is_installed: bool


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """Every node class by name; ``version`` changes whenever anything in it does, model lists included."""

    version: str
    classes: Mapping[str, NodeClass] = field(repr=False)
    document: Mapping[str, JSON] = field(repr=False)

    @classmethod
    def read(cls, version: str, document: object) -> ObjectInfo:
        """Read the answer of GET /object_info; blocking for some tens of milliseconds, so call it off the event loop."""
        body = mapping(document)
        return cls(version, {name: _node_class(name, mapping(value)) for name, value in body.items()}, body)

    def output_nodes(self, graph: Graph) -> tuple[str, ...]:
        """Return the nodes of *graph* that show or save something."""
        return tuple(
            node.id for node in graph.nodes.values() if self._class(node) and self.classes[node.class_type].is_output
        )

    def missing_classes(self, graph: Graph) -> tuple[str, ...]:
        """Return the classes that *graph* uses and the server does not have, sorted."""
        return tuple(sorted({node.class_type for node in graph.nodes.values()} - set(self.classes)))

    def models(self, graph: Graph) -> tuple[ModelReference, ...]:
        """Return the model files that *graph* names."""
        return tuple(each for node in graph.nodes.values() for each in self._models_of(node))

    def missing_models(self, graph: Graph) -> tuple[ModelReference, ...]:
        """Return the model files that *graph* names and the server does not list."""
        return tuple(each for each in self.models(graph) if not each.is_installed)

    def problems(self, graph: Graph) -> tuple[NodeProblem, ...]:
        """Return what the server would find wrong with *graph*: classes, inputs that are not given, choices."""
        return tuple(problem for node in graph.nodes.values() for problem in self._problems_of(node))

    def _class(self, node: Node) -> NodeClass | None:
        return self.classes.get(node.class_type)

    def _models_of(self, node: Node) -> Iterator[ModelReference]:
        known = self._class(node)
        for name, value in node.inputs.items():
            if not isinstance(value, str) or not is_model_input(node.class_type, name, value):
                continue
            spec = None if known is None else known.inputs.get(name)
            if spec is not None and spec.choices is None:
                continue  # a free text that only looks like a file name
            if spec is None and folder_of(node.class_type, name) is None:
                continue
            installed = spec is not None and spec.choices is not None and _listed(value, spec.choices)
            yield ModelReference(node.id, node.class_type, name, value, folder_of(node.class_type, name), installed)

    def _problems_of(self, node: Node) -> Iterator[NodeProblem]:
        known = self._class(node)
        if known is None:
            message = f"There is no node {node.class_type}."
            yield NodeProblem(node.id, node.class_type, "missing_node_type", message, title=node.title)
            return
        for spec in known.inputs.values():
            value = node.inputs.get(spec.name)
            if value is None:
                if spec.is_required and spec.name not in node.inputs and not _is_dynamic(spec):
                    message = f"The input {spec.name} is not given."
                    yield NodeProblem(
                        node.id, node.class_type, "required_input_missing", message, spec.name, title=node.title
                    )
            elif (
                not is_link(value) and spec.choices and not isinstance(value, list) and not _listed(value, spec.choices)
            ):
                message = f"{value!r} is not one of the choices for {spec.name}."
                yield NodeProblem(node.id, node.class_type, "value_not_in_list", message, spec.name, value, node.title)


def _is_dynamic(spec: InputSpec) -> bool:
    # Their values arrive under names such as "images.image0", which only the server can tell.
    return spec.type.startswith("COMFY_")


def _listed(value: JSON, choices: tuple[JSON, ...]) -> bool:
    if value in choices:
        return True
    # Lists of a server on Windows have backslashes; so may a graph that was made there.
    return isinstance(value, str) and any(
        isinstance(choice, str) and choice.replace("\\", "/") == value.replace("\\", "/") for choice in choices
    )


def _node_class(name: str, document: dict[str, JSON]) -> NodeClass:
    groups = mapping(document.get("input"))
    inputs = {
        input_name: _input(input_name, value, is_required=section == "required")
        for section in _SECTIONS
        for input_name, value in mapping(groups.get(section)).items()
    }
    return NodeClass(
        name,
        text(document.get("display_name")) or name,
        text(document.get("category")) or "",
        document.get("output_node") is True,
        inputs,
        texts(document.get("output")),
        text(document.get("python_module")),
        document,
    )


def _input(name: str, value: JSON, *, is_required: bool) -> InputSpec:
    parts = sequence(value)
    kind = parts[0] if parts else None
    options = mapping(parts[1]) if len(parts) > 1 else {}
    if isinstance(kind, list):
        return InputSpec(name, "COMBO", is_required, tuple(kind), options)
    choices = tuple(sequence(options.get("options"))) if kind == "COMBO" and "options" in options else None
    return InputSpec(name, text(kind) or "*", is_required, choices, options)


def bare_name(reference: ModelReference) -> str:
    """Return the file name without the folders that the server puts before it."""
    return PurePosixPath(reference.name.replace("\\", "/")).name
