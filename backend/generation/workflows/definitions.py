"""What the server says about its node classes (GET /object_info), as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from backend.errors import JSON
from backend.generation.workflows.reading import as_list, as_mapping, as_text, is_number

ObjectInfo: TypeAlias = "Mapping[str, JSON]"
"""GET /object_info: class name to its definition."""

DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
DYNAMIC_GROUP = "COMFY_DYNAMICGROUP_V3"
AUTOGROW = "COMFY_AUTOGROW_V3"
MATCH_TYPE = "COMFY_MATCHTYPE_V3"
MULTI_TYPE = "COMFY_MULTITYPED_V3"
COMBO = "COMBO"
_PRIMITIVES = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", COMBO})
# Types whose value is set in the editor, by the front end itself or by extensions that come with it.
_EDITED = _PRIMITIVES | {
    DYNAMIC_COMBO, DYNAMIC_GROUP, "MARKDOWN", "TEXTAREA", "COLOR", "COLORS", "CURVE", "RANGE", "BOUNDING_BOX",
    "BOUNDING_BOXES", "IMAGECOMPARE", "CHART", "GALLERIA", "PAINTER", "COMPOSITOR", "VIDEO_EDIT", "RESOLUTION_PREVIEW",
    "LOAD_3D", "LOAD_3D_ANIMATION", "PREVIEW_3D", "WEBCAM", "AUDIO_RECORD", "IMAGEUPLOAD", "AUDIOUPLOAD", "AUDIO_UI",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class InputDefinition:
    """One input of a node class. ``name`` is the full one: inputs below a dynamic one read ``format.quality``."""

    name: str
    type: str
    options: Mapping[str, JSON]
    choices: tuple[JSON, ...] | None
    is_required: bool

    @property
    def default(self) -> JSON:
        """The value before anybody chose one."""
        if "default" in self.options:
            return self.options["default"]
        if self.choices is not None:
            return self.choices[0] if self.choices else None
        return {"INT": 0, "FLOAT": 0.0, "STRING": "", "BOOLEAN": False}.get(self.type)

    @property
    def is_edited(self) -> bool:
        """Whether the front end shows a widget for it: a value, not only a socket."""
        if self.options.get("forceInput") is True:
            return False
        return as_text(self.options.get("widgetType") or self.type) in _EDITED

    @property
    def is_primitive(self) -> bool:
        """Whether its type is one that values can be checked against."""
        return self.type in _PRIMITIVES or self.type == DYNAMIC_COMBO

    @property
    def takes_several(self) -> bool:
        """Whether several choices may be picked at once."""
        return self.options.get("multiselect") is True or "multi_select" in self.options

    @property
    def minimum(self) -> int | float | None:
        """The least number allowed."""
        return _number(self.options.get("min"))

    @property
    def maximum(self) -> int | float | None:
        """The greatest number allowed."""
        return _number(self.options.get("max"))

    @property
    def step(self) -> int | float | None:
        """What an arrow adds; values between are allowed."""
        return _number(self.options.get("step"))

    @property
    def is_uploaded(self) -> bool:
        """Whether its value names a file in ComfyUI's input folder that people upload."""
        return any(self.options.get(f"{kind}_upload") for kind in ("image", "animated_image", "video", "audio", "file"))


@dataclass(frozen=True, slots=True)
class NodeDefinition:
    """One node class."""

    name: str
    display_name: str
    inputs: Mapping[str, Mapping[str, JSON]]
    order: Mapping[str, JSON]
    outputs: tuple[str, ...]
    is_output: bool

    def top(self) -> Iterator[InputDefinition]:
        """Yield the inputs of the class itself in the front end's order, without what dynamic ones unfold to."""
        yield from _of_group(self.inputs, "", self.order)

    def unfolded(self, values: Mapping[str, JSON]) -> Iterator[InputDefinition]:
        """Yield every input that *values* ask for: dynamic inputs with what they unfold to, in the front end's order."""
        for definition in self.top():
            yield definition
            yield from unfold(definition, values)


def definition_of(object_info: ObjectInfo, name: str) -> NodeDefinition | None:
    """Return the definition of a class, or None when the server does not have it."""
    content = as_mapping(object_info.get(name))
    if not content:
        return None
    groups = as_mapping(content.get("input"))
    return NodeDefinition(
        name=name,
        display_name=as_text(content.get("display_name")) or name,
        inputs={group: as_mapping(groups.get(group)) for group in ("required", "optional")},
        order=as_mapping(content.get("input_order")),
        outputs=tuple(_type_name(output) for output in as_list(content.get("output"))),
        is_output=content.get("output_node") is True,
    )


def unfold(definition: InputDefinition, values: Mapping[str, JSON]) -> Iterator[InputDefinition]:
    """Yield what a dynamic input unfolds to under *values*; nothing for a plain one."""
    if definition.type == DYNAMIC_COMBO:
        below = chosen_inputs(definition, values.get(definition.name))
    elif definition.type == AUTOGROW:
        below = list(_grown(definition, values))
    elif definition.type == DYNAMIC_GROUP:
        below = [row for index in range(rows_of(definition, values)) for row in row_inputs(definition, index)]
    else:
        return
    for inner in below:
        yield inner
        yield from unfold(inner, values)


def chosen_inputs(definition: InputDefinition, chosen: JSON) -> list[InputDefinition]:
    """Return the inputs that belong to one option of a dynamic choice; none for an option that does not exist."""
    for option in as_list(definition.options.get("options")):
        if as_mapping(option).get("key") == chosen:
            groups = as_mapping(as_mapping(option).get("inputs"))
            return list(_of_group(_groups(groups), definition.name + "."))
    return []


def row_inputs(definition: InputDefinition, index: int) -> list[InputDefinition]:
    """Return the inputs of one row of a dynamic group."""
    template = as_mapping(definition.options.get("template"))
    return list(_of_group(_groups(template), f"{definition.name}.{index}."))


def rows_of(definition: InputDefinition, values: Mapping[str, JSON]) -> int:
    """Return how many rows of a dynamic group *values* fill."""
    mark = definition.name + "."
    rows = [name[len(mark) :].partition(".")[0] for name in values if name.startswith(mark)]
    filled = max((int(row) + 1 for row in rows if row.isdecimal()), default=0)
    return max(filled, int(_number(definition.options.get("min")) or 0))


def _grown(definition: InputDefinition, values: Mapping[str, JSON]) -> Iterator[InputDefinition]:
    """Yield the members of a growing input: as many as are required, and every one that has a value."""
    template = as_mapping(definition.options.get("template"))
    members = list(_of_group(_groups(as_mapping(template.get("input"))), ""))
    names = [as_text(name) for name in as_list(template.get("names"))]
    prefix, mark = as_text(template.get("prefix")), definition.name + "."
    least = int(_number(template.get("min")) or 0) if definition.is_required else 0
    known: set[str] = set()
    for ordinal in range(least):
        for member in members:
            base = (
                names[ordinal] if ordinal < len(names) else f"{prefix if len(members) == 1 else member.name}{ordinal}"
            )
            known.add(mark + base)
            yield _renamed(member, mark + base, is_required=member.is_required)
    for name in values:
        if name.startswith(mark) and name not in known and members:
            member = next((each for each in members if name[len(mark) :].startswith(each.name)), members[0])
            yield _renamed(member, name, is_required=False)


def _renamed(definition: InputDefinition, name: str, *, is_required: bool) -> InputDefinition:
    return InputDefinition(name, definition.type, definition.options, definition.choices, is_required)


def _groups(content: Mapping[str, JSON]) -> dict[str, Mapping[str, JSON]]:
    return {group: as_mapping(content.get(group)) for group in ("required", "optional")}


def _of_group(
    groups: Mapping[str, Mapping[str, JSON]], prefix: str, order: Mapping[str, JSON] | None = None
) -> Iterator[InputDefinition]:
    for group in ("required", "optional"):
        inputs = groups.get(group, {})
        wanted = [as_text(name) for name in as_list((order or {}).get(group))]
        names = [name for name in wanted if name in inputs] + [name for name in inputs if name not in wanted]
        for name in names:
            yield _input(prefix + name, inputs[name], is_required=group == "required")


def _input(name: str, spec: JSON, *, is_required: bool) -> InputDefinition:
    parts: Sequence[JSON] = as_list(spec)
    kind = parts[0] if parts else ""
    options = as_mapping(parts[1] if len(parts) > 1 else None)
    choices: tuple[JSON, ...] | None = None
    if isinstance(kind, list):
        choices, kind = tuple(kind), COMBO
    elif kind == COMBO:
        choices = tuple(as_list(options.get("options")))
    elif kind == DYNAMIC_COMBO:
        choices = tuple(as_mapping(option).get("key") for option in as_list(options.get("options")))
    return InputDefinition(name, _socket_type(as_text(kind), options), options, choices, is_required)


def _socket_type(kind: str, options: Mapping[str, JSON]) -> str:
    """Return the types that may be linked; a matching input takes what its template allows."""
    if kind == MATCH_TYPE:
        return as_text(as_mapping(options.get("template")).get("allowed_types")) or "*"
    return kind


def _type_name(output: JSON) -> str:
    return COMBO if isinstance(output, list) else as_text(output)


def _number(value: JSON) -> int | float | None:
    return value if is_number(value) and isinstance(value, int | float) else None
