"""What a graph needs from a ComfyUI, and what one of them lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backend.comfyui import Graph, InvalidInput, MissingModel, MissingNode, ModelReference, ObjectInfo
from backend.errors import JSON
from backend.generation.dispatch import Needs
from backend.generation.dispatch.policy import Choice
from backend.generation.ports import RemediesFor

_HEAVY = frozenset({"checkpoints", "diffusion_models"})  # what loading takes time for


@dataclass(frozen=True, slots=True)
class Lack:
    """What a backend does not have of what a graph needs."""

    backend: str
    classes: tuple[str, ...]
    models: tuple[ModelReference, ...]

    def __bool__(self) -> bool:
        return bool(self.classes or self.models)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a backend has, as the policy compares it."""

    classes: frozenset[str]
    choices: dict[tuple[str, str], frozenset[str]]

    @classmethod
    def of(cls, info: ObjectInfo) -> Offer:
        """Read the offer; blocking for some milliseconds."""
        choices = {
            (node.name, spec.name): frozenset(_plain(choice) for choice in spec.choices if isinstance(choice, str))
            for node in info.classes.values()
            for spec in node.inputs.values()
            if spec.choices
        }
        return cls(frozenset(info.classes), choices)


def needs_of(graph: Graph, infos: Iterable[ObjectInfo]) -> Needs:
    """Return what *graph* needs; which inputs name models is told by any of *infos*, as far as they know the nodes."""
    reached = _reached(graph, infos := tuple(infos))
    choices = {
        Choice(each.class_type, each.input, _plain(each.name))
        for info in infos
        for each in info.models(graph)
        if each.node_id in reached
    }
    return Needs(frozenset(node.class_type for node in graph.nodes.values()), frozenset(choices))


def heavy_models(graph: Graph, infos: Iterable[ObjectInfo]) -> tuple[str, ...]:
    """Return the names of the weights that decide whether a backend is warm for *graph*."""
    named = [each for info in infos for each in info.models(graph)]
    heavy = {_plain(each.name) for each in named if each.folder in _HEAVY}
    return tuple(sorted(heavy or {_plain(each.name) for each in named}))


def lack_of(backend: str, graph: Graph, info: ObjectInfo) -> Lack:
    """Return what *info* lacks; models only where something that is shown depends on them."""
    reached = _reached(graph, (info,))
    models = tuple(each for each in info.missing_models(graph) if each.node_id in reached)
    return Lack(backend, info.missing_classes(graph), models)


def check_outputs(graph: Graph, infos: Sequence[ObjectInfo]) -> None:
    """Make sure that *graph* shows something.

    Raises:
        InvalidInput: No node of it saves or previews anything, wherever its classes are known.
    """
    if infos and not any(info.output_nodes(graph) or info.missing_classes(graph) for info in infos):
        raise InvalidInput(
            "Nothing in the graph saves or shows a result.", hint="Add a node such as Save Image, then try again."
        )


def refusal(lacks: Sequence[Lack], graph: Graph, remedies_for: RemediesFor) -> MissingNode | MissingModel:
    """Return the error for a graph that no backend can run, about the one that lacks least."""
    least = min(lacks, key=lambda lack: (len(lack.classes), len(lack.models)))
    if least.classes:
        names = ", ".join(least.classes)
        nodes: list[JSON] = [
            {"node_id": node.id, "class_type": node.class_type, "title": node.title}
            for node in graph.nodes.values()
            if node.class_type in least.classes
        ]
        classes: list[JSON] = [*least.classes]
        return MissingNode(
            f"ComfyUI does not have {_count(least.classes, 'node')} of this workflow: {names}.",
            details={"classes": classes, "nodes": nodes, "backend": least.backend},
        )
    names = sorted({_plain(model.name) for model in least.models})
    models: list[JSON] = [
        {"name": model.name, "folder": model.folder, "node_id": model.node_id, "input": model.input}
        for model in least.models
    ]
    remedies: list[JSON] = [remedy.as_dict() for remedy in remedies_for(names)]
    return MissingModel(
        f"ComfyUI does not have {_count(names, 'model')} of this workflow: {', '.join(names)}.",
        details={"models": models, "remedies": remedies, "backend": least.backend},
    )


def _reached(graph: Graph, infos: Sequence[ObjectInfo]) -> frozenset[str]:
    """Return the nodes that something depends on that is shown; all of them where that is not known."""
    pending = [node for info in infos for node in info.output_nodes(graph)]
    if not pending:
        return frozenset(graph.nodes)
    reached: set[str] = set()
    while pending:
        node_id = pending.pop()
        if node_id not in reached:
            reached.add(node_id)
            pending += [link.source for link in graph.nodes[node_id].links()]
    return frozenset(reached)


def _plain(name: str) -> str:
    return name.replace("\\", "/")


def _count(things: Sequence[str], word: str) -> str:
    return f"{len(things)} {word}s" if len(things) > 1 else f"a {word}"
