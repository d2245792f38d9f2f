"""Make ready what a client sends as a graph of its own, and give every take of a job its seed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from backend.comfyui import Graph, Node, is_link
from backend.errors import JSON
from backend.generation.job import Take
from backend.generation.ports import ObjectInfo, Prepare
from backend.generation.request import NewGeneration, Prepared

_SEEDS = ("seed", "noise_seed")
_LARGEST_SEED = 2**64 - 1  # of ComfyUI's samplers
_RANDOM_SEEDS = 2**48  # what every JavaScript client can hold exactly, with room for the seeds of further takes


def prepare_prompt(new: NewGeneration) -> Prepared:
    """Make a graph in API format ready: its seeds become that of the request, where one is given.

    Raises:
        InvalidInput: It is no graph.
    """
    graph = Graph.parse(new.prompt)
    places = [(node.id, name) for node in graph.nodes.values() for name in _SEEDS if _is_seed(node, name)]
    if new.seed is not None and places:
        graph = graph.with_inputs(dict.fromkeys(places, new.seed))
    seed = _seed_in(graph, places)
    title = new.title or _title(graph)
    return Prepared(graph.document, title, None, None, {}, seed)


async def prepare_takes(
    new: NewGeneration, info: ObjectInfo | None, prepare: Prepare
) -> tuple[Prepared, tuple[Take, ...]]:
    """Make every take ready; the first with the seed that is asked for, each further one with the next.

    Raises:
        HearthError: What *prepare* raises.
    """
    first = await prepare(replace(new, n=1), info)
    if new.n > 1 and first.seed is None and new.seed is None:
        first = await prepare(replace(new, n=1, seed=random_seed()), info)
    takes = [Take(0, first.graph, first.seed)]
    begin = first.seed if first.seed is not None else new.seed or 0
    for place in range(1, new.n):
        seed = (begin + place) % (_LARGEST_SEED + 1)
        further = await prepare(replace(new, n=1, seed=seed), info)
        takes.append(Take(place, further.graph, further.seed))
    return first, tuple(takes)


def random_seed() -> int:
    """Return a seed that nobody chose."""
    return secrets.randbelow(_RANDOM_SEEDS)


def without_secrets(extra_data: Mapping[str, JSON]) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """Part *extra_data* into what may be stored and what may not: keys for ComfyUI's paid services."""
    secret = {name: value for name, value in extra_data.items() if name.startswith(("api_key", "auth_token"))}
    return {name: value for name, value in extra_data.items() if name not in secret}, secret


def _is_seed(node: Node, name: str) -> bool:
    value = node.inputs.get(name)
    return isinstance(value, int) and not isinstance(value, bool) and not is_link(value)


def _seed_in(graph: Graph, places: list[tuple[str, str]]) -> int | None:
    if not places:
        return None
    node_id, name = places[0]
    return cast("int", graph.nodes[node_id].inputs[name])


def _title(graph: Graph) -> str:
    """Call a graph by the first node that its author named, else by what it saves."""
    named = next((node.title for node in graph.nodes.values() if node.title), None)
    return named or [*graph.nodes.values()][-1].class_type
