"""Find the inputs that a person would want to change.

In this order, and each input of a node becomes one field at most: what titles ask for; the texts behind the conditioning
of samplers; inputs whose names say what they are; what subgraphs show on their outside; values in nodes that the author
gave a title of their own; where no prompt was found, texts that are called so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from backend.errors import JSON
from backend.generation.workflows.convert import Promotion
from backend.generation.workflows.definitions import InputDefinition, NodeDefinition, ObjectInfo
from backend.generation.workflows.document import Graph
from backend.generation.workflows.inputs.field import UPLOADS, Field, Group, Kind, Role, Target
from backend.generation.workflows.inputs.roles import group_of, kind_of, label_of, role_of
from backend.generation.workflows.inputs.titles import Annotation, read_title
from backend.generation.workflows.inputs.trace import Tracer
from backend.generation.workflows.reading import as_mapping
from backend.generation.workflows.validation import needed_nodes, title_of

Place = tuple[float, float]
_CANVAS = frozenset({Role.WIDTH, Role.HEIGHT, Role.LENGTH, Role.BATCH_SIZE})
_PRIMITIVE = "Primitive"
_PROMPT_NAMES = frozenset({"prompt", "text", "positive_prompt", "tags", "lyrics"})
_NEGATIVE_NAMES = frozenset({"negative_prompt", "negative"})
_RANK = {role: rank for rank, role in enumerate(Role)}
_FAR = (float("inf"), float("inf"))


def infer_inputs(
    graph: Graph,
    object_info: ObjectInfo,
    *,
    promotions: Mapping[tuple[str, str], Promotion] | None = None,
    places: Mapping[str, Place] | None = None,
) -> tuple[Field, ...]:
    """Return the inputs of a graph, the important ones first.

    Args:
        promotions: Inputs that show on the outside of subgraphs (:class:`~backend.generation.workflows.convert.Conversion`).
        places: Position (y, x) of each outermost node on the canvas, where it is known: upper fields come first.
    """
    finder = _Finder(Tracer(graph, object_info), needed_nodes(graph, object_info), promotions or {})
    drafts = list(finder.find())
    order = {node_id: rank for rank, node_id in enumerate(graph)}

    def rank(draft: _Draft) -> tuple[bool, int, Place, int]:
        node_id = draft.target.node_id
        place = (places or {}).get(node_id.partition(":")[0], _FAR)
        return draft.group is not Group.MAIN, _RANK[draft.role], place, order[node_id]

    drafts.sort(key=rank)
    fields = list(_named([finder.field(draft) for draft in drafts]))
    return tuple(sorted(fields, key=lambda field: field.group is not Group.MAIN))


@dataclass(frozen=True, slots=True)
class _Draft:
    target: Target
    role: Role
    group: Group
    label: str


class _Finder:
    def __init__(self, tracer: Tracer, needed: set[str], promotions: Mapping[tuple[str, str], Promotion]) -> None:
        self._tracer = tracer
        self._node_ids = [node_id for node_id in tracer.graph if node_id in needed]
        self._promotions = promotions
        self._annotations: dict[str, Annotation] = {}
        for node_id in self._node_ids:
            annotation = read_title(title_of(tracer.graph[node_id]))
            if annotation is not None:
                self._annotations[node_id] = annotation
        self._taken: dict[Target, _Draft] = {}
        self._met: set[Role] = set()

    def find(self) -> Iterator[_Draft]:
        """Yield a draft for every field."""
        for steps in (self._annotated, self._prompts, self._known, self._promoted, self._titled, self._called_prompt):
            for draft in list(steps()):
                annotation = self._annotations.get(draft.target.node_id)
                if draft.target in self._taken or (annotation is not None and annotation.is_hidden):
                    continue
                self._taken[draft.target] = draft
                self._met.add(draft.role)
                yield draft

    def field(self, draft: _Draft) -> Field:
        """Fill a draft with what the class says about the input."""
        target = draft.target
        definition, node = self._definitions(target)
        value = self._tracer.values(target.node_id)[target.input]
        kind = kind_of(definition, node, draft.role)
        default: JSON = as_mapping(value).get("__value__", value)
        choices = definition.choices if kind is Kind.CHOICE else None
        return Field(
            name="",
            label=draft.label,
            kind=kind,
            role=draft.role,
            default=default,
            targets=(target,),
            group=draft.group,
            minimum=definition.minimum if choices is None else None,
            maximum=definition.maximum if choices is None else None,
            step=definition.step if choices is None else None,
            choices=choices,
            required=kind in UPLOADS and default not in (definition.choices or ()),
            draws=definition.options.get("dynamicPrompts") is True,
            description=str(definition.options.get("tooltip") or ""),
        )

    def _annotated(self) -> Iterator[_Draft]:
        for node_id, annotation in self._annotations.items():
            if annotation.is_hidden:
                continue
            if annotation.role is not Role.OTHER:
                for target in self._tracer.texts(node_id)[:1] or self._first(node_id, None):
                    yield _Draft(target, annotation.role, Group.MAIN, label_of(annotation.role))
                continue
            for target in self._first(node_id, annotation.input):
                definition, node = self._definitions(target)
                role = role_of(definition, node)
                label = annotation.label or self._own_label(target, role)
                yield _Draft(target, role, annotation.group, label)

    def _first(self, node_id: str, name: str | None) -> list[Target]:
        free = [each.name for each in self._tracer.free(node_id)]
        chosen = name if name in free else None if name else next(iter(free), None)
        return [Target(node_id, chosen)] if chosen else []

    def _prompts(self) -> Iterator[_Draft]:
        sinks = [sink for sink in self._tracer.sinks() if sink[0] in self._node_ids]
        for is_negative, role in ((False, Role.PROMPT), (True, Role.NEGATIVE_PROMPT)):
            for node_id, name, sink_is_negative in sinks:
                if sink_is_negative is is_negative:
                    for target in self._tracer.prompts(node_id, name):
                        yield self._draft(target, role)

    def _known(self) -> Iterator[_Draft]:
        for node_id in self._node_ids:
            node = self._tracer.definition(node_id)
            if node is None:
                continue
            for definition in self._tracer.inputs(node_id).values():
                role = role_of(definition, node)
                target = self._tracer.source(Target(node_id, definition.name), definition.type)
                if role is Role.OTHER or target is None or not self._is_free(target):
                    continue
                if role in _CANVAS and role in self._met and target not in self._taken:
                    continue  # a second canvas is an intermediate one
                self._met.add(role)
                yield self._draft(target, role)

    def _promoted(self) -> Iterator[_Draft]:
        for (node_id, name), promotion in self._promotions.items():
            target = Target(node_id, name)
            if node_id in self._node_ids and ":" not in promotion.host_id and self._is_free(target):
                yield _Draft(target, Role.OTHER, Group.MAIN, _readable(promotion.label))

    def _titled(self) -> Iterator[_Draft]:
        for node_id in self._node_ids:
            node = self._tracer.definition(node_id)
            title = title_of(self._tracer.graph[node_id])
            if node is None or ":" in node_id or title in (node.display_name, node.name):
                continue
            free = list(self._tracer.free(node_id))
            if node.name.startswith(_PRIMITIVE) and len(free) == 1:
                yield _Draft(Target(node_id, free[0].name), Role.OTHER, Group.MAIN, title)

    def _called_prompt(self) -> Iterator[_Draft]:
        if Role.PROMPT in self._met:
            return
        for node_id in self._node_ids:
            for definition in self._tracer.free(node_id):
                name = definition.name.rpartition(".")[2]
                if definition.type == "STRING" and name in _PROMPT_NAMES | _NEGATIVE_NAMES:
                    role = Role.NEGATIVE_PROMPT if name in _NEGATIVE_NAMES else Role.PROMPT
                    yield self._draft(Target(node_id, definition.name), role)

    def _draft(self, target: Target, role: Role) -> _Draft:
        return _Draft(target, role, group_of(role), self._own_label(target, role))

    def _own_label(self, target: Target, role: Role) -> str:
        """Choose a label: what the author wrote on the subgraph or the node, else the usual name."""
        promotion = self._promotions.get((target.node_id, target.input))
        if promotion is not None and promotion.label != promotion.name:
            return _readable(promotion.label)
        _, node = self._definitions(target)
        title = title_of(self._tracer.graph[target.node_id])
        is_own = title not in (node.display_name, node.name) and read_title(title) is None
        if is_own and (role in (Role.IMAGE, Role.MASK, Role.AUDIO, Role.VIDEO, Role.FILE) or role is Role.OTHER):
            return title
        return label_of(role) if role is not Role.OTHER else _readable(target.input.rpartition(".")[2])

    def _is_free(self, target: Target) -> bool:
        return any(each.name == target.input for each in self._tracer.free(target.node_id))

    def _definitions(self, target: Target) -> tuple[InputDefinition, NodeDefinition]:
        node = self._tracer.definition(target.node_id)
        if node is None:
            raise KeyError(target.node_id)
        return self._tracer.inputs(target.node_id)[target.input], node


def _named(fields: list[Field]) -> Iterator[Field]:
    """Give every field a name of its own: the role's, or one made of its label."""
    used: set[str] = set()
    for each in fields:
        base = each.role.value if each.role is not Role.OTHER else _slug(each.label) or "value"
        name, number = base, 1
        while name in used:
            number += 1
            name = f"{base}_{number}"
        used.add(name)
        is_again = number > 1 and each.role is not Role.OTHER and each.label == label_of(each.role)
        group = Group.ADVANCED if is_again and each.kind not in UPLOADS and each.group is Group.MAIN else each.group
        yield replace(each, name=name, group=group, label=f"{each.label} {number}" if is_again else each.label)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:60]


def _readable(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
