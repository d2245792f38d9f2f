"""Give the saved values of a node their names.

The front end saves the values of a node's widgets in a row without names. Which widgets there are, and in which order,
follows from the class: required inputs before optional ones, what a dynamic choice unfolds to right behind it, and
between them widgets that the class does not mention: what happens to a seed after a run, and upload buttons.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from backend.errors import JSON
from backend.generation.workflows.convert.schema import Node
from backend.generation.workflows.definitions import (
    AUTOGROW,
    COMBO,
    DYNAMIC_COMBO,
    DYNAMIC_GROUP,
    InputDefinition,
    NodeDefinition,
    chosen_inputs,
    row_inputs,
)
from backend.generation.workflows.reading import as_int, is_number

_SEEDS = frozenset({"seed", "noise_seed"})
# Tuples, since saved values may be of any kind, and some cannot be looked up in a set.
_CONTROLS = ("fixed", "increment", "decrement", "randomize", "increment-wrap")
_BUTTONS_OF_3D = ("upload3dmodel", "uploadExtraResources", "clear")
_CUSTOM_CHOICE = "CustomCombo"  # its front end adds the index of the choice and the choices themselves
_MAX_ROWS = 1000


def widget_values(node: Node, definition: NodeDefinition, linkable: frozenset[str]) -> dict[str, JSON]:
    """Return every widget of *node* with its value, in the front end's order; what was not saved has its default.

    Args:
        linkable: The types that outputs of any class have: an input of another type can only be a widget.
    """
    row = _Row(node, linkable, counts_sockets=True)
    row.read(definition)
    if row.is_short:  # inputs that are plain sockets in the file were no widgets when it was saved
        row = _Row(node, linkable, counts_sockets=False)
        row.read(definition)
    return row.values


def controls_after(definition: InputDefinition) -> int:
    """Return how many widgets follow an input that say how it changes after a run."""
    wanted = definition.options.get("control_after_generate")
    if definition.type == "INT":
        return int(bool(wanted) if wanted is not None else definition.name in _SEEDS)
    return 2 if definition.type == COMBO and wanted else 0


class _Row:
    """The saved values of one node, taken from left to right."""

    def __init__(self, node: Node, linkable: frozenset[str], *, counts_sockets: bool) -> None:
        self.values: dict[str, JSON] = {}
        self.is_short = False
        self._saved = node.values
        self._named = node.named
        self._widgets = {socket.name: socket.widget is not None for socket in node.inputs}
        self._linkable = linkable
        self._counts_sockets = counts_sockets
        self._next = 0

    def read(self, definition: NodeDefinition) -> None:
        """Name all values of the node."""
        inputs = list(definition.top())
        required = [each for each in inputs if each.is_required]
        self._read_inputs(required)
        if any(each.is_uploaded for each in required):
            self._next += 1  # the button
        self._read_inputs(each for each in inputs if not each.is_required)
        if definition.name == _CUSTOM_CHOICE:
            self._read_custom_choices()

    def _read_inputs(self, inputs: Iterable[InputDefinition]) -> None:
        for definition in inputs:
            if definition.type == AUTOGROW or not self._is_widget(definition):
                continue
            value = self._take(definition)
            if definition.type == DYNAMIC_GROUP:
                for index in range(min(as_int(value) or 0, _MAX_ROWS)):
                    self._read_inputs(row_inputs(definition, index))
                continue
            self.values[definition.name] = value
            if definition.type == DYNAMIC_COMBO:
                self._read_inputs(chosen_inputs(definition, value))
            self._skip_controls(definition)

    def _read_custom_choices(self) -> None:
        rest = self._saved[self._next :]
        self.values.update({"index" if rank == 0 else f"option{rank}": value for rank, value in enumerate(rest)})

    def _is_widget(self, definition: InputDefinition) -> bool:
        saved_as_widget = self._widgets.get(definition.name)
        if saved_as_widget is not None:
            return saved_as_widget or (definition.is_edited and self._counts_sockets)
        if definition.is_edited:
            return True
        is_forced = definition.options.get("forceInput") is True
        types = set(definition.type.split(","))
        return not is_forced and "*" not in types and not types & self._linkable

    def _take(self, definition: InputDefinition) -> JSON:
        while definition.type.startswith("LOAD_3D") and self._following() in _BUTTONS_OF_3D:
            self._next += 1
        position, self._next = self._next, self._next + 1
        if definition.name in self._named:
            value = self._named[definition.name]
        elif position < len(self._saved):
            value = self._saved[position]
        else:
            self.is_short = self.is_short or bool(self._saved)
            value = definition.default
        return definition.default if _is_impossible(definition, value) else value

    def _following(self) -> JSON:
        return self._saved[self._next] if self._next < len(self._saved) else None

    def _skip_controls(self, definition: InputDefinition) -> None:
        """Pass by what says how a value changes after a run; old files lack it, and some node packs add their own."""
        following = self._following()
        expected = controls_after(definition)
        if expected and (following is None or following in _CONTROLS):
            self._next += expected
        elif definition.type == "INT" and following in _CONTROLS and not expected:
            self._next += 1


def _is_impossible(definition: InputDefinition, value: JSON) -> bool:
    """Tell whether a value cannot be meant for this input: another version of the class had another widget there."""
    if definition.type == "BOOLEAN":
        return not isinstance(value, bool | int | float)
    if definition.type not in ("INT", "FLOAT"):
        return value is None and definition.type == "STRING"
    if isinstance(value, str):
        try:
            return not math.isfinite(float(value))
        except ValueError:
            return True
    return not is_number(value) and not isinstance(value, bool)


def overridden(values: dict[str, JSON], changes: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return *values* with *changes* to widgets that exist."""
    return {name: changes.get(name, value) for name, value in values.items()}
