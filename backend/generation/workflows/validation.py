"""Check a graph against what the server says about its classes, with reasons a person can act on.

The server checks again; this is for saying it before anything is queued, and for all nodes at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from backend.errors import JSON
from backend.generation.workflows.definitions import (
    AUTOGROW,
    COMBO,
    DYNAMIC_COMBO,
    DYNAMIC_GROUP,
    InputDefinition,
    NodeDefinition,
    ObjectInfo,
    definition_of,
)
from backend.generation.workflows.document import Graph
from backend.generation.workflows.reading import as_int, as_list, as_mapping, as_text, is_number

_CONTAINERS = frozenset({AUTOGROW, DYNAMIC_GROUP})
_LONGEST_VALUE = 80
MODEL_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".pkl", ".gguf", ".onnx", ".yaml")


class Trouble(StrEnum):
    """What is wrong with one input or node."""

    UNKNOWN_NODE = "unknown_node"
    MISSING_INPUT = "missing_input"
    BAD_LINK = "bad_link"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    NOT_A_CHOICE = "not_a_choice"
    MISSING_FILE = "missing_file"
    NO_OUTPUT = "no_output"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that the server would refuse. ``input`` is empty when it is about the node, ``node_id`` when the graph."""

    trouble: Trouble
    message: str
    node_id: str = ""
    class_type: str = ""
    title: str = ""
    input: str = ""
    value: JSON = None

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values."""
        return {
            "code": self.trouble.value,
            "message": self.message,
            "node_id": self.node_id,
            "class_type": self.class_type,
            "title": self.title,
            "input": self.input,
        }


def find_problems(graph: Graph, object_info: ObjectInfo) -> list[Problem]:
    """Return everything in *graph* that the server would refuse; empty when it would run.

    Every class must be known; values and links count only where they lead to a node that saves or shows something.
    """
    definitions = {key: definition_of(object_info, as_text(node.get("class_type"))) for key, node in graph.items()}
    needed = needed_nodes(graph, object_info)
    found = [
        problem
        for node_id in graph
        if node_id in needed or definitions[node_id] is None
        for problem in _of_node(node_id, graph, object_info)
    ]
    if not needed and not found:
        found.append(Problem(Trouble.NO_OUTPUT, "No node of the workflow saves or shows anything."))
    return found


def needed_nodes(graph: Graph, object_info: ObjectInfo) -> set[str]:
    """Return the ids of the nodes that run: those that save or show something, and all that feed them."""
    needed: set[str] = set()
    pending = [node_id for node_id, node in graph.items() if _is_output(node, object_info)]
    while pending:
        node_id = pending.pop()
        if node_id in needed or node_id not in graph:
            continue
        needed.add(node_id)
        links = (value for value in as_mapping(graph[node_id].get("inputs")).values() if is_link(value))
        pending.extend(as_text(as_list(link)[0]) for link in links)
    return needed


def _is_output(node: Mapping[str, JSON], object_info: ObjectInfo) -> bool:
    definition = definition_of(object_info, as_text(node.get("class_type")))
    return definition is not None and definition.is_output


def title_of(node: Mapping[str, JSON]) -> str:
    """Return what a node of a graph is called: its title, else its class."""
    return as_text(as_mapping(node.get("_meta")).get("title")) or as_text(node.get("class_type"))


def is_link(value: JSON) -> bool:
    """Tell whether a value of a graph is a link: a list of node id and output index."""
    if not isinstance(value, list) or len(value) != 2:
        return False
    return isinstance(value[0], str) and is_number(value[1])


def _of_node(node_id: str, graph: Graph, object_info: ObjectInfo) -> Iterator[Problem]:
    node = graph[node_id]
    kind, title = as_text(node.get("class_type")), title_of(node)
    definition = definition_of(object_info, kind)
    if definition is None:
        message = f"This ComfyUI does not have the node {kind!r}."
        yield Problem(Trouble.UNKNOWN_NODE, message, node_id, kind, title)
        return
    inputs = as_mapping(node.get("inputs"))
    for each in _checked(definition, inputs):
        complaint = _complaint(each, inputs, graph, object_info)
        if complaint is not None:
            trouble, text = complaint
            message = f"{title}: {each.name} {text}."
            yield Problem(trouble, message, node_id, kind, title, each.name, inputs.get(each.name))


def _checked(definition: NodeDefinition, inputs: Mapping[str, JSON]) -> Iterator[InputDefinition]:
    for each in definition.unfolded(inputs):
        if each.type not in _CONTAINERS:
            yield each


def _complaint(
    definition: InputDefinition, inputs: Mapping[str, JSON], graph: Graph, object_info: ObjectInfo
) -> tuple[Trouble, str] | None:
    if definition.name not in inputs:
        return (Trouble.MISSING_INPUT, "is required and has neither link nor value") if definition.is_required else None
    value = inputs[definition.name]
    if isinstance(value, list):
        return _link_complaint(definition, value, graph, object_info)
    unwrapped = as_mapping(value).get("__value__", value)
    return value_complaint(definition, unwrapped)


def _link_complaint(
    definition: InputDefinition, value: JSON, graph: Graph, object_info: ObjectInfo
) -> tuple[Trouble, str] | None:
    if not is_link(value):
        return Trouble.BAD_LINK, "holds a list that is no link"
    origin_id, slot = as_text(as_list(value)[0]), as_int(as_list(value)[1])
    origin = graph.get(origin_id)
    if origin is None:
        return Trouble.BAD_LINK, f"is linked to node {origin_id}, which is not there"
    source = definition_of(object_info, as_text(origin.get("class_type")))
    if source is None:
        return None  # reported at that node
    if slot is None or not 0 <= slot < len(source.outputs):
        return Trouble.BAD_LINK, f"is linked to an output that {title_of(origin)} does not have"
    given = source.outputs[slot]
    if not fits(given, definition.type):
        return Trouble.BAD_LINK, f"takes {definition.type}, but {title_of(origin)} gives {given}"
    return None


def fits(given: str, wanted: str) -> bool:
    """Tell whether the server lets an output of one type feed an input of another."""
    if "*" in (given, wanted) or given.startswith("COMFY_") or wanted.startswith("COMFY_"):
        return True
    return bool(set(given.split(",")) & set(wanted.split(",")))


def value_complaint(definition: InputDefinition, value: JSON) -> tuple[Trouble, str] | None:
    """Return what is wrong with a value for an input, None when it fits or when its type cannot be judged."""
    if definition.type in (COMBO, DYNAMIC_COMBO):
        return _choice_complaint(definition, value)
    if definition.type in ("INT", "FLOAT"):
        return _number_complaint(definition, value)
    if definition.type == "STRING" and value is None and definition.is_required:
        return Trouble.WRONG_TYPE, "takes text"
    return None


def _choice_complaint(definition: InputDefinition, value: JSON) -> tuple[Trouble, str] | None:
    choices = definition.choices or ()
    picked = as_list(value) if isinstance(value, list) and definition.takes_several else [value]
    wrong = next((each for each in picked if each not in choices), None)
    if wrong is None and None not in picked:
        return None
    if definition.options.get("remote") or (not choices and not names_model(value)):
        return None  # the front end finds these choices elsewhere
    if definition.is_uploaded:
        return Trouble.MISSING_FILE, f"names the file {_short(wrong)}, which is not in ComfyUI's input folder"
    return Trouble.NOT_A_CHOICE, f"cannot be {_short(wrong)}: {_choices(choices)}"


def names_model(value: JSON) -> bool:
    """Tell whether a value reads like the name of a model file."""
    return isinstance(value, str) and value.lower().endswith(MODEL_SUFFIXES)


def _number_complaint(definition: InputDefinition, value: JSON) -> tuple[Trouble, str] | None:
    number = _as_number(value, whole=definition.type == "INT")
    if number is None:
        kind = "a whole number" if definition.type == "INT" else "a number"
        return Trouble.WRONG_TYPE, f"takes {kind}, not {_short(value)}"
    if definition.minimum is not None and number < definition.minimum:
        return Trouble.OUT_OF_RANGE, f"is {number}, less than {definition.minimum}"
    if definition.maximum is not None and number > definition.maximum:
        return Trouble.OUT_OF_RANGE, f"is {number}, more than {definition.maximum}"
    return None


def _as_number(value: JSON, *, whole: bool) -> int | float | None:
    """Convert as the server does, with Python's own int() and float()."""
    if not isinstance(value, int | float | str):
        return None
    try:
        return int(value) if whole else float(value)
    except (ValueError, OverflowError):
        return None


def _choices(choices: tuple[JSON, ...]) -> str:
    if not choices:
        return "there is nothing to choose from"
    shown = ", ".join(str(choice) for choice in choices[:6])
    return f"choose one of {shown}" + (f" and {len(choices) - 6} more" if len(choices) > 6 else "")


def _short(value: JSON) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
