"""Follow a graph backwards: from a sampler to the texts behind its conditioning, from an input to the value behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from backend.errors import JSON
from backend.generation.workflows.definitions import InputDefinition, NodeDefinition, ObjectInfo, definition_of
from backend.generation.workflows.document import Graph
from backend.generation.workflows.inputs.field import Target
from backend.generation.workflows.reading import as_int, as_list, as_mapping, as_text
from backend.generation.workflows.validation import is_link

_CONDITIONING = "CONDITIONING"
_EMPTIED = frozenset({"ConditioningZeroOut"})  # what goes in does not come out: a prompt behind it has no effect
_TEXT_NAMES = ("text", "prompt", "clip_l", "t5xxl", "text_g", "text_l", "tags", "lyrics")
_MAX_STEPS = 2000


class Tracer:
    """A graph with the definitions of its classes."""

    def __init__(self, graph: Graph, object_info: ObjectInfo) -> None:
        self.graph = graph
        self._definitions = {
            key: definition_of(object_info, as_text(node["class_type"])) for key, node in graph.items()
        }
        self._inputs: dict[str, dict[str, InputDefinition]] = {}

    def definition(self, node_id: str) -> NodeDefinition | None:
        """Return the class of a node, None when it is not known."""
        return self._definitions.get(node_id)

    def values(self, node_id: str) -> Mapping[str, JSON]:
        """Return the inputs of a node as the graph has them."""
        return as_mapping(self.graph[node_id].get("inputs"))

    def inputs(self, node_id: str) -> Mapping[str, InputDefinition]:
        """Return the definitions of a node's inputs by name, in order."""
        if node_id not in self._inputs:
            definition = self.definition(node_id)
            unfolded = definition.unfolded(self.values(node_id)) if definition else ()
            self._inputs[node_id] = {each.name: each for each in unfolded}
        return self._inputs[node_id]

    def free(self, node_id: str) -> Iterator[InputDefinition]:
        """Yield the inputs of a node that hold a value of a plain type."""
        values = self.values(node_id)
        for each in self.inputs(node_id).values():
            if each.name in values and each.is_primitive and not isinstance(values[each.name], list):
                yield each

    def source(self, target: Target, kind: str) -> Target | None:
        """Return where the value of an input is set: itself, or the node that gives nothing but such a value.

        None: it is linked to something that computes it.
        """
        for _ in range(_MAX_STEPS):
            if target.node_id not in self.graph:
                return None
            value = self.values(target.node_id).get(target.input)
            if not is_link(value):
                return target if value is not None else None
            origin = as_text(as_list(value)[0])
            inputs = [each for each in self.inputs(origin).values() if each.name in self.values(origin)]
            alike = [each for each in inputs if each.type == kind]
            if len(alike) != 1 or len(inputs) != 1:
                return None
            target = Target(origin, alike[0].name)
        return None

    def prompts(self, node_id: str, name: str) -> list[Target]:
        """Return the texts behind a conditioning input, nearest first."""
        found: list[Target] = []
        pending = [(node_id, name)]
        seen: set[tuple[str, str]] = set()
        while pending and len(seen) < _MAX_STEPS:
            place = pending.pop(0)
            if place in seen:
                continue
            seen.add(place)
            value = self.values(place[0]).get(place[1])
            if not is_link(value):
                continue
            origin, slot = as_text(as_list(value)[0]), as_int(as_list(value)[1]) or 0
            definition = self.definition(origin)
            if definition is None or definition.name in _EMPTIED:
                continue
            through = self._through(origin, definition, slot)
            if through:
                pending += [(origin, each) for each in through]
            else:
                found += self.texts(origin)
        return list(dict.fromkeys(found))

    def texts(self, node_id: str) -> list[Target]:
        """Return where the texts that a node encodes are written: in it, or in nodes before it."""
        strings = [each for each in self.inputs(node_id).values() if each.type == "STRING"]
        named = [each for each in strings if each.name.rpartition(".")[2] in _TEXT_NAMES] or [
            each for each in strings if each.options.get("multiline") is True
        ]
        return [text for each in named for text in self._written(Target(node_id, each.name))]

    def _written(self, target: Target) -> list[Target]:
        value = self.values(target.node_id).get(target.input)
        if not is_link(value):
            return [target] if isinstance(value, str) else []
        seen: set[str] = set()
        pending = [as_text(as_list(value)[0])]
        while pending:
            node_id = pending.pop(0)
            if node_id in seen or node_id not in self.graph:
                continue
            seen.add(node_id)
            own = [each for each in self.free(node_id) if each.type == "STRING"]
            written = [each for each in own if each.options.get("multiline") is True] or own
            filled = [each for each in written if self.values(node_id)[each.name]] or written
            if filled:
                return [Target(node_id, filled[0].name)]
            links = (each for each in self.values(node_id).values() if is_link(each))
            pending += [as_text(as_list(each)[0]) for each in links]
        return []

    def _through(self, node_id: str, definition: NodeDefinition, slot: int) -> list[str]:
        """Return the conditioning inputs that an output comes from; none when the node makes it from text."""
        inputs = [each.name for each in self.inputs(node_id).values() if each.type == _CONDITIONING]
        linked = [each for each in inputs if is_link(self.values(node_id).get(each))]
        if len(linked) < 2:
            return linked
        places = [index for index, kind in enumerate(definition.outputs) if kind == _CONDITIONING]
        # Several in and several out: "positive" comes from "positive", by their order.
        if len(places) == len(inputs) and slot in places:
            return [inputs[places.index(slot)]]
        return linked

    def sinks(self) -> Iterator[tuple[str, str, bool]]:
        """Yield node, input and whether it is negative, for every place where conditioning is used up."""
        for node_id in self.graph:
            definition = self.definition(node_id)
            if definition is None or _CONDITIONING in definition.outputs:
                continue
            for each in self.inputs(node_id).values():
                if each.type == _CONDITIONING and is_link(self.values(node_id).get(each.name)):
                    yield node_id, each.name, "negative" in each.name.lower()
