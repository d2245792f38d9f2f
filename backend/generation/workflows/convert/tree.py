"""Unfold a workflow into one canvas per use of a subgraph, and tell which nodes exist only in the editor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from backend.errors import JSON
from backend.generation.workflows.convert.schema import Link, Node, Sheet, Socket, Workflow, read_workflow
from backend.generation.workflows.errors import ConversionFailed

PRIMITIVE = "PrimitiveNode"
REROUTES = frozenset({"Reroute", "Reroute (rgthree)"})
SETTERS = frozenset({"SetNode", "easy setNode"})
GETTERS = frozenset({"GetNode", "easy getNode"})
_DECORATION = frozenset(
    {"Note", "MarkdownNote", "Note Plus (mtb)", "Label (rgthree)", "Bookmark (rgthree)", "Node Collector (rgthree)"}
    | {"Fast Groups Muter (rgthree)", "Fast Groups Bypasser (rgthree)", "Fast Muter (rgthree)"}
    | {"Fast Bypasser (rgthree)", "Fast Actions Button (rgthree)", "Mute / Bypass Repeater (rgthree)"}
)
_ONLY_IN_THE_EDITOR = _DECORATION | REROUTES | SETTERS | GETTERS | {PRIMITIVE}
_MAX_NODES = 50_000  # subgraphs within subgraphs multiply


@dataclass(slots=True, eq=False)
class Scope:
    """One use of a canvas. ``path`` holds the ids of the nodes that lead to it; the outermost has none and no host."""

    sheet: Sheet
    path: tuple[str, ...] = ()
    parent: Scope | None = None
    host: Node | None = None
    children: dict[str, Scope] = field(default_factory=dict[str, "Scope"])

    def id_of(self, node: Node) -> str:
        """Return the id that the server knows a node by: the path and its own id, joined by colons."""
        return ":".join((*self.path, node.id))

    def link_of(self, socket: Socket) -> Link | None:
        """Return the link that an input is joined to; None for a free one and for one whose link was lost."""
        return self.sheet.links.get(socket.link) if socket.link is not None else None

    def running(self) -> Iterator[tuple[Scope, Node]]:
        """Yield every node that runs, here and in the subgraphs that run, with its scope."""
        for node in self.sheet.nodes.values():
            if node.is_muted or node.is_bypassed or node.type in _ONLY_IN_THE_EDITOR:
                continue
            if node.id in self.children:
                yield from self.children[node.id].running()
            else:
                yield self, node


def unfold_workflow(workflow: Workflow) -> Scope:
    """Build the tree of scopes.

    Raises:
        ConversionFailed: A subgraph contains itself, or they multiply beyond any use.
    """
    root = Scope(workflow.sheet)
    pending = [root]
    total = 0
    while pending:
        scope = pending.pop()
        total += len(scope.sheet.nodes)
        if total > _MAX_NODES:
            raise ConversionFailed(f"With its subgraphs unfolded the workflow has more than {_MAX_NODES} nodes.")
        for node in scope.sheet.nodes.values():
            sheet = workflow.subgraphs.get(node.type)
            if sheet is not None:
                _refuse_recursion(scope, sheet)
                child = Scope(sheet, (*scope.path, node.id), scope, node)
                scope.children[node.id] = child
                pending.append(child)
    return root


def known_classes(workflow: Workflow) -> dict[str, list[tuple[str, str | None]]]:
    """Map each class that the server must have to the ids and titles of the nodes that use it, running or not."""
    classes: dict[str, list[tuple[str, str | None]]] = {}
    for sheet in (workflow.sheet, *workflow.subgraphs.values()):
        for node in sheet.nodes.values():
            if node.type not in workflow.subgraphs and node.type not in _ONLY_IN_THE_EDITOR:
                classes.setdefault(node.type, []).append((node.id, node.title))
    return classes


def running_nodes(content: Mapping[str, JSON]) -> list[Node]:
    """Return the nodes of a workflow that run, those in subgraphs once for each use.

    Raises:
        ConversionFailed: A subgraph contains itself.
    """
    return [node for _, node in unfold_workflow(read_workflow(content)).running()]


def is_decoration(node: Node) -> bool:
    """Tell whether a node of an unknown class can only be something to look at: nothing goes in, nothing comes out."""
    return not node.inputs and not node.outputs


def _refuse_recursion(scope: Scope, sheet: Sheet) -> None:
    outer: Scope | None = scope
    while outer is not None:
        if outer.sheet is sheet:
            raise ConversionFailed(f"The subgraph {sheet.name or sheet.id!r} contains itself.")
        outer = outer.parent
