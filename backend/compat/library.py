"""Workflows of the library with their inputs, as the ComfyUI that is there now understands them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TypeAlias

from backend.comfyui import Graph, ObjectInfo
from backend.compat.workflow import Workflow
from backend.errors import HearthError
from backend.generation import GenerationService
from backend.generation.capability import lack_of
from backend.generation.errors import BackendsUnknown, NoBackend
from backend.generation.workflows import Entry, Role, Shelf, WorkflowLibrary, WorkflowNotFound, prepare
from backend.generation.workflows.library.shipped import CATEGORY

_Key: TypeAlias = tuple[str, str, str]

_MAX_KEPT = 256
_STARTING_S = 2


class Library:
    """Read workflows, and keep what was understood of them until the file or the nodes change."""

    def __init__(self, library: WorkflowLibrary, generation: GenerationService) -> None:
        self._library = library
        self._generation = generation
        self._kept: dict[_Key, Workflow | None] = {}

    async def pictured(self) -> list[Workflow]:
        """List the workflows that make pictures: people's own, then those that come with Hearth.

        Official templates are found by their id and not listed: most of their models are missing on most machines.

        Raises:
            NoBackend, BackendsUnknown: Nobody can say what their nodes mean.
        """
        info = self._info()
        return await asyncio.to_thread(lambda: [*self._pictured(info)])

    async def find(self, workflow_id: str) -> Workflow | None:
        """Return a workflow of any kind; None when there is none of that id.

        Raises:
            NoBackend, BackendsUnknown: Nobody can say what its nodes mean.
            WorkflowError: It cannot be read or converted.
        """
        info = self._info()
        try:
            return await asyncio.to_thread(self._find, workflow_id, info)
        except WorkflowNotFound:
            return None

    def _info(self) -> ObjectInfo:
        backends = self._generation.backends()
        if not backends:
            raise NoBackend("There is no ComfyUI to generate with.")
        infos = (self._generation.backend(each.id).info for each in backends)
        best = max(filter(None, infos), key=lambda info: len(info.classes), default=None)
        if best is None:
            raise BackendsUnknown(
                "No ComfyUI has told its nodes yet, so no workflow can be made ready.",
                details={"retry_after_s": _STARTING_S},
            )
        return best

    def _pictured(self, info: ObjectInfo) -> Iterable[Workflow]:
        for entry in self._library.entries():
            if entry.problem is not None or (entry.shelf is Shelf.OFFICIAL and entry.category != CATEGORY):
                continue
            workflow = self._understood(entry, info)
            if workflow is not None and workflow.makes_pictures:
                yield workflow

    def _find(self, workflow_id: str, info: ObjectInfo) -> Workflow:
        entry = self._library.entry(workflow_id)
        known = self._kept.get(_key(entry, info))
        return known if known is not None else self._keep(entry, info, self._read(entry, info))

    def _understood(self, entry: Entry, info: ObjectInfo) -> Workflow | None:
        known = self._kept.get(_key(entry, info), self)
        if not isinstance(known, Library):
            return known
        try:
            return self._keep(entry, info, self._read(entry, info))
        except HearthError:
            self._kept[_key(entry, info)] = None  # its own page says what is wrong with it
            return None

    def _keep(self, entry: Entry, info: ObjectInfo, workflow: Workflow) -> Workflow:
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()  # from any thread; what is still asked for is read again
        self._kept[_key(entry, info)] = workflow
        return workflow

    def _read(self, entry: Entry, info: ObjectInfo) -> Workflow:
        stored = self._library.get(entry.id)
        ready = prepare(stored.document, info.document)
        graph = Graph.parse(ready.graph)
        is_shipped = entry.category == CATEGORY and entry.shelf is Shelf.OFFICIAL
        has_checkpoint = any(field.role is Role.CHECKPOINT and field.choices for field in ready.fields)
        runs_here = not lack_of("", graph, info) or (is_shipped and has_checkpoint and not info.missing_classes(graph))
        return Workflow(
            id=entry.id,
            title=entry.name,
            changed_at=entry.modified_at,
            fields=ready.fields,
            makes_pictures=_makes_pictures(graph, info),
            runs_here=runs_here,
            is_shipped=is_shipped,
        )


def _key(entry: Entry, info: ObjectInfo) -> _Key:
    return entry.id, entry.etag, info.version


def _makes_pictures(graph: Graph, info: ObjectInfo) -> bool:
    """Tell whether something in the graph shows or saves what is an image on its way there."""
    shown = set(info.output_nodes(graph))
    return any(
        spec.type == "IMAGE"
        for node in graph.nodes.values()
        if node.id in shown
        for spec in info.classes[node.class_type].inputs.values()
        if spec.name in node.inputs
    )
