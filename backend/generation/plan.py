"""The nodes of a graph in an order in which they can run, for people who watch it."""

from __future__ import annotations

from collections.abc import Iterator

from backend.comfyui import ComfyUIError, Graph
from backend.generation.job import GraphDocument, Job
from backend.generation.shown import NodeShown


def nodes_of(job: Job) -> list[NodeShown]:
    """Return the nodes of the take that runs or is next, of the last one when none is; a node comes after its sources."""
    take = job.next_take or (job.takes[-1] if job.takes else None)
    return [] if take is None else in_order(take.graph)


def in_order(document: GraphDocument) -> list[NodeShown]:
    """Return the nodes of a graph, each after those that feed it; nothing when it is no graph."""
    try:
        graph = Graph.parse(document, strict=False)
    except ComfyUIError:
        return []
    return [NodeShown(node_id, graph.label(node_id)) for node_id in _sources_first(graph)]


def _sources_first(graph: Graph) -> Iterator[str]:
    """Walk back from what feeds nobody, without recursion: graphs may be 10,000 nodes deep."""
    feeding = {link.source for link in graph.links()}
    seen: set[str] = set()
    ends = [node_id for node_id in graph.nodes if node_id not in feeding]
    pending = [(node_id, False) for node_id in reversed(ends)]
    while pending:
        node_id, is_ready = pending.pop()
        if is_ready:
            yield node_id
        elif node_id not in seen and node_id in graph.nodes:
            seen.add(node_id)
            pending.append((node_id, True))
            sources = [link.source for link in graph.nodes[node_id].links()]
            pending.extend((source, False) for source in reversed(sources))
