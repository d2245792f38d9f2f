"""The library together with what the ComfyUIs that are there understand of it: what the API and the pages ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from backend.comfyui import ObjectInfo
from backend.errors import JSON, HearthError
from backend.generation.workflows.describe import curl, openapi_operation, python
from backend.generation.workflows.document import Graph, read_document
from backend.generation.workflows.errors import WorkflowError
from backend.generation.workflows.inputs import json_schema
from backend.generation.workflows.library import Entry, Stored, WorkflowLibrary
from backend.generation.workflows.needs import Needs
from backend.generation.workflows.offers import Offers
from backend.generation.workflows.ports import Ask, Downloads, Find, Nodes, Presets, Records
from backend.generation.workflows.understanding import Understanding, Understood
from backend.generation.workflows.view import (
    Missing,
    Origin,
    Snippets,
    WorkflowDetail,
    WorkflowPage,
    WorkflowSummary,
    address_of,
    origin_of,
    problem_of,
    summary_of,
)

OPENAPI = "3.1.0"


@dataclass(frozen=True, slots=True)
class WorkflowQuery:
    """A question to the list; what is left out matches everything.

    ``words`` must all be found in title, description, tags, category, folder or id.
    """

    words: tuple[str, ...] = ()
    kinds: Collection[str] = ()
    sources: Collection[Origin] = ()
    can_run: bool | None = None
    limit: int = 100
    offset: int = 0


class WorkflowDesk:
    """Answer questions about workflows. Without a ComfyUI the list and the documents work, and the rest says why not.

    Args:
        library: Where changes are made directly.
        nodes: What the ComfyUIs can do.
        presets, records, find: Where missing files may be had, and what is here.
        ask: Asks a host about a file.
    """

    def __init__(
        self,
        library: WorkflowLibrary,
        nodes: Nodes,
        *,
        presets: Presets,
        records: Records,
        find: Find,
        ask: Ask,
        downloads: Downloads,
    ) -> None:
        self.library = library
        self._nodes = nodes
        self._understanding = Understanding(library)
        self.needs = Needs(
            library, self._understanding, nodes,
            offers=Offers(presets, records, find), find=find, ask=ask, downloads=downloads,
        )  # fmt: skip

    async def page(self, query: WorkflowQuery) -> WorkflowPage:
        """Return one page of the list: one's own first, then what comes with Hearth, then the official templates.

        Official templates are only looked through for ``can_run`` when it is asked for: the first time takes seconds.

        Raises:
            NoBackend, BackendsUnknown: ``can_run`` is asked for, and nobody can say.
        """
        infos = self._nodes.known() if query.can_run is not None else self._known_or_none()
        return await asyncio.to_thread(self._page, query, infos)

    async def summary(self, workflow_id: str) -> WorkflowSummary:
        """Return one workflow as the list shows it.

        Raises:
            WorkflowNotFound: There is none.
        """
        entry = await asyncio.to_thread(self.library.entry, workflow_id)
        return await asyncio.to_thread(self._summary, entry, self._known_or_none())

    async def detail(self, workflow_id: str) -> WorkflowDetail:
        """Return a workflow with its inputs, as far as a ComfyUI can tell them.

        Raises:
            WorkflowNotFound: There is none.
            NotAWorkflow, WorkflowTooLarge: The file cannot be used.
        """
        stored = await asyncio.to_thread(self.library.get, workflow_id)
        return await self.show(stored)

    async def show(self, stored: Stored) -> WorkflowDetail:
        """Show a workflow that was just read or written."""
        try:
            understood = await self._understood(stored)
        except HearthError as error:
            return WorkflowDetail(
                summary_of(stored.entry, can_run=None), stored.version, None, None, None, problem_of(error)
            )
        prepared, needs = understood.prepared, understood.requirements
        return WorkflowDetail(
            workflow=summary_of(stored.entry, can_run=understood.can_run),
            number=stored.version,
            inputs=None if prepared is None else [field.as_dict() for field in prepared.fields],
            schema=None if prepared is None else json_schema(prepared.fields, stored.entry.name),
            missing=Missing(len(needs.nodes), len(needs.missing_models)),
            problem=problem_of(understood.error),
        )

    async def prompt(self, workflow_id: str) -> Graph:
        """Return the graph that runs, in ComfyUI's API format.

        Raises:
            WorkflowNotFound: There is none.
            WorkflowError: It cannot be converted.
            NoBackend, BackendsUnknown: There is no ComfyUI that knows its nodes; a graph that is kept as one needs none.
        """
        stored = await asyncio.to_thread(self.library.get, workflow_id)
        if stored.document.editor is None:
            return stored.document.graph or {}
        return (await self._understood(stored)).ready().graph

    async def snippets(self, workflow_id: str, base_url: str) -> Snippets:
        """Return programs that run a workflow.

        Raises:
            WorkflowNotFound, WorkflowError, NoBackend, BackendsUnknown: As :meth:`prompt`.
        """
        stored = await asyncio.to_thread(self.library.get, workflow_id)
        fields = (await self._understood(stored)).ready().fields
        return Snippets(curl(workflow_id, fields, base_url), python(workflow_id, fields, base_url))

    async def openapi(self, version: str, ids: Collection[str] = ()) -> dict[str, JSON]:
        """Describe an operation for each of these workflows; without *ids* for one's own and those that come with Hearth.

        All of them lead to one address, so each path has the workflow's id behind a ``#``, which programs do not send.
        What cannot be converted is left out.

        Raises:
            NoBackend, BackendsUnknown: There is no ComfyUI that knows their nodes.
        """
        infos = self._nodes.known()
        return {
            "openapi": OPENAPI,
            "info": {"title": "Workflows of Hearth", "version": version},
            "paths": await asyncio.to_thread(lambda: dict(self._operations(ids, infos))),
            "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
            "security": [{"bearer": []}],
        }

    async def take(self, file: BinaryIO, filename: str, *, name: str | None, folder: str | None) -> Stored:
        """Keep the workflow that *file* is or carries: under *name*, else under a free name made of the file's.

        Raises:
            WorkflowExists: The name is taken.
            WorkflowError: As ``WorkflowLibrary.take``.
        """
        if name is None:
            return await asyncio.to_thread(self.library.take, filename, file, folder=folder)
        wanted = name
        return await asyncio.to_thread(lambda: self.library.create(wanted, read_document(file).best, folder=folder))

    def _known_or_none(self) -> Sequence[ObjectInfo]:
        try:
            return self._nodes.known()
        except HearthError:
            return ()

    async def _understood(self, stored: Stored) -> Understood:
        infos = self._nodes.known()
        return await asyncio.to_thread(self._understanding.of, stored, infos)

    def _page(self, query: WorkflowQuery, infos: Sequence[ObjectInfo]) -> WorkflowPage:
        found = [entry for entry in self.library.entries() if _matches(entry, query)]
        if query.can_run is not None:
            found = [entry for entry in found if self._understanding.can_run(entry, infos) is query.can_run]
        shown = found[query.offset : query.offset + query.limit]
        looked = query.can_run is not None
        return WorkflowPage([self._summary(entry, infos, looks=looked) for entry in shown], len(found))

    def _summary(self, entry: Entry, infos: Sequence[ObjectInfo], *, looks: bool = False) -> WorkflowSummary:
        looks = looks or origin_of(entry) is not Origin.OFFICIAL
        return summary_of(entry, can_run=self._understanding.can_run(entry, infos) if infos and looks else None)

    def _operations(self, ids: Collection[str], infos: Sequence[ObjectInfo]) -> Iterator[tuple[str, JSON]]:
        for entry in self.library.entries():
            if entry.id not in ids if ids else origin_of(entry) is Origin.OFFICIAL:
                continue
            with suppress(WorkflowError):
                fields = self._understanding.of(self.library.get(entry.id), infos).ready().fields
                schema: Mapping[str, JSON] = json_schema(fields, entry.name)
                path = address_of(entry.id).rpartition("/")[2]
                yield (
                    f"/api/generations#{path}",
                    {"post": openapi_operation(entry.id, entry.name, entry.description, schema)},
                )


def _matches(entry: Entry, query: WorkflowQuery) -> bool:
    if query.kinds and entry.kind not in query.kinds:
        return False
    if query.sources and origin_of(entry) not in query.sources:
        return False
    if not query.words:
        return True
    text = " ".join(
        (entry.name, entry.description, *entry.tags, entry.category, entry.folder or "", entry.id)
    ).casefold()
    return all(word in text for word in query.words)
