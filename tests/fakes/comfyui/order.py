"""In which order nodes run: what shows something as soon as it can, then what leads to it soonest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def is_link(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], (int, float))
    )


class Order:
    """Nodes that are still to run; ask :meth:`next`, run it, say :meth:`done`."""

    def __init__(self, graph: dict[str, Any], is_cached: Callable[[str], bool], shows: Callable[[str], bool]) -> None:
        self._graph = graph
        self._is_cached = is_cached
        self._shows = shows
        self._waits_for: dict[str, set[str]] = {}  # in the order in which nodes were met
        self._feeds: dict[str, list[str]] = {}

    def add(self, output: str) -> None:
        """Add an output node and everything that it needs; a cached node needs nothing."""
        pending, links = [output], list[tuple[str, str]]()
        while pending:
            node = pending.pop()
            if node in self._waits_for:
                continue
            self._waits_for[node], self._feeds[node] = set(), []
            for source in _sources(self._graph[node]):
                if not self._is_cached(source):
                    pending.append(source)
                    links.append((source, node))
        for source, node in links:
            if node not in self._feeds[source]:
                self._feeds[source].append(node)
            self._waits_for[node].add(source)

    def next(self) -> str | None:
        ready = [node for node, waits_for in self._waits_for.items() if not waits_for]
        for distance in range(3):
            for node in ready:
                if any(self._shows(each) for each in self._ahead(node, distance)):
                    return node
        return ready[0] if ready else None

    def done(self, node: str) -> None:
        del self._waits_for[node]
        for fed in self._feeds.pop(node):
            self._waits_for[fed].discard(node)

    def _ahead(self, node: str, distance: int) -> Iterator[str]:
        if distance == 0:
            yield node
            return
        for fed in self._feeds[node]:
            yield from self._ahead(fed, distance - 1)


def _sources(node: dict[str, Any]) -> list[str]:
    return [value[0] for value in node["inputs"].values() if is_link(value)]
