"""The shapes in which workflows are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeAlias
from urllib.parse import quote

from pydantic import Field

from backend.errors import HearthError
from backend.generation.workflows.document import Format
from backend.generation.workflows.library import Entry, Shelf
from backend.generation.workflows.requirements import ModelNeed, NodeNeed, Offer, Requirements, Source

Bytes: TypeAlias = Annotated[int, Field(ge=0)]
Shown: TypeAlias = Annotated[dict[str, Any], Field(description="code, message, hint and, where useful, details")]


class Origin(StrEnum):
    """Where a workflow comes from."""

    MINE = "mine"
    SHIPPED = "shipped"
    OFFICIAL = "official"


@dataclass(frozen=True, slots=True)
class WorkflowSummary:
    """A workflow in the list."""

    id: Annotated[str, Field(examples=["text-to-image"])]
    title: str
    description: str
    folder: Annotated[str | None, Field(description="Folder of the library; null at its top")]
    category: str
    tags: list[str]
    source: Origin
    kind: Annotated[str | None, Field(description="What it makes: image, animation, video, audio, model or text")]
    format: Annotated[Format | None, Field(description="editor or server (API); null when the file cannot be used")]
    version: Annotated[str, Field(description="Changes with the content; the ETag of the document")]
    nodes: int
    size_bytes: Bytes
    models_bytes: Annotated[int | None, Field(description="What its author says that its models take")]
    min_comfyui: Annotated[str | None, Field(description="The version that its author says it needs")]
    modified_at: datetime
    thumbnail_url: str | None
    can_run: Annotated[
        bool | None, Field(description="Whether a ComfyUI has all it needs; null as long as nobody has looked")
    ]
    problem: Annotated[str | None, Field(description="Why the file cannot be used")]


@dataclass(frozen=True, slots=True)
class WorkflowPage:
    """One page of workflows."""

    items: list[WorkflowSummary]
    total: Annotated[int, Field(description="Workflows that match, on all pages")]


@dataclass(frozen=True, slots=True)
class Missing:
    """How much is missing."""

    nodes: int
    models: int


@dataclass(frozen=True, slots=True)
class WorkflowDetail:
    """A workflow with its inputs; what needs a ComfyUI is null where ``problem`` says why."""

    workflow: WorkflowSummary
    number: Annotated[int, Field(description="Of the version, from 1")]
    inputs: Annotated[list[dict[str, Any]] | None, Field(description="What a form shows, in its order")]
    schema: Annotated[
        dict[str, Any] | None, Field(description="JSON Schema (draft 2020-12) of `inputs` of a generation")
    ]
    missing: Missing | None
    problem: Shown | None


@dataclass(frozen=True, slots=True)
class NodeUse:
    """An input of a node."""

    node_id: str
    input: str


@dataclass(frozen=True, slots=True)
class MissingNode:
    """A class of nodes that ComfyUI does not have."""

    class_type: str
    node_ids: list[str]
    titles: list[str]


@dataclass(frozen=True, slots=True)
class RequiredModel:
    """A file that the workflow names, and where it can be had; what nobody knows is null."""

    file: Annotated[str, Field(description="What it is called in a request for a download", examples=["vae/ae.sft"])]
    directory: str | None
    name: str
    installed: Annotated[bool, Field(description="ComfyUI lists it")]
    on_disk: Annotated[bool, Field(description="It lies in a model folder of Hearth")]
    url: str | None
    source: Annotated[Source | None, Field(description="Who says so: workflow, preset, hash")]
    size_bytes: int | None
    sha256: str | None
    licence: str | None
    licence_url: str | None
    gated: Annotated[bool, Field(description="Its host asks for a token or an accepted licence")]
    preset_id: str | None
    uses: list[NodeUse]


@dataclass(frozen=True, slots=True)
class RequirementsShown:
    """What a workflow needs here, what is missing first."""

    can_run: bool
    nodes: Annotated[list[MissingNode], Field(description="Only what is missing")]
    models: list[RequiredModel]
    missing_models: int
    missing_bytes: Annotated[int | None, Field(description="To download; null as long as one size is unknown")]
    preset_id: Annotated[str | None, Field(description="A preset that brings just these files")]
    problem: Annotated[Shown | None, Field(description="Why the workflow cannot be converted")]


@dataclass(frozen=True, slots=True)
class QueuedFiles:
    """What became of one or several files: a job, or the error that they have."""

    files: list[str]
    job: Any
    error: Shown | None


@dataclass(frozen=True, slots=True)
class Snippets:
    """How to run a workflow from outside; the key comes from the environment (HEARTH_KEY)."""

    curl: str
    python: str


def address_of(workflow_id: str) -> str:
    """Return where a workflow is found."""
    return f"/api/workflows/{quote(workflow_id, safe='~')}"


def summary_of(entry: Entry, *, can_run: bool | None) -> WorkflowSummary:
    """Show an entry of the library."""
    return WorkflowSummary(
        id=entry.id,
        title=entry.name,
        description=entry.description,
        folder=entry.folder,
        category=entry.category,
        tags=list(entry.tags),
        source=origin_of(entry),
        kind=entry.kind,
        format=entry.format,
        version=entry.etag,
        nodes=entry.nodes,
        size_bytes=entry.size_bytes,
        models_bytes=entry.models_bytes,
        min_comfyui=entry.min_version,
        modified_at=entry.modified_at,
        thumbnail_url=None if entry.thumbnail is None else f"{address_of(entry.id)}/thumbnail",
        can_run=can_run,
        problem=entry.problem,
    )


def origin_of(entry: Entry) -> Origin:
    """Tell where a workflow comes from."""
    if entry.shelf is Shelf.MINE:
        return Origin.MINE
    return Origin.SHIPPED if entry.is_shipped else Origin.OFFICIAL


def file_of(need: ModelNeed, offer: Offer | None) -> str:
    """Name a needed file in one word: its category and what the workflow calls it."""
    directory = need.directory or (offer.directory if offer is not None else "?")
    return f"{directory}/{need.name}"


def model_of(need: ModelNeed, offer: Offer | None, *, on_disk: bool) -> RequiredModel:
    """Show a needed file."""
    return RequiredModel(
        file=file_of(need, offer),
        directory=need.directory or (offer.directory if offer is not None else None),
        name=need.name,
        installed=need.is_present,
        on_disk=on_disk,
        url=offer.url if offer is not None else None,
        source=offer.source if offer is not None else None,
        size_bytes=offer.size_bytes if offer is not None else None,
        sha256=offer.sha256 if offer is not None else None,
        licence=offer.licence if offer is not None else None,
        licence_url=offer.licence_url if offer is not None else None,
        gated=offer.gated if offer is not None else False,
        preset_id=offer.preset_id if offer is not None else None,
        uses=[NodeUse(node_id, name) for node_id, name in need.uses],
    )


def requirements_of(
    needs: Requirements,
    models: Sequence[RequiredModel],
    *,
    can_run: bool,
    preset_id: str | None,
    error: HearthError | None,
) -> RequirementsShown:
    """Show what a workflow needs."""
    missing = [model for model in models if not model.installed]
    sizes = [model.size_bytes for model in missing if not model.on_disk]
    return RequirementsShown(
        can_run=can_run,
        nodes=[_node(node) for node in needs.nodes],
        models=[*missing, *(model for model in models if model.installed)],
        missing_models=len(missing),
        missing_bytes=None if None in sizes else sum(size for size in sizes if size is not None),
        preset_id=preset_id,
        problem=problem_of(error),
    )


def problem_of(error: HearthError | None) -> dict[str, Any] | None:
    """Show an error inside of an answer."""
    return None if error is None else error.as_dict()


def _node(need: NodeNeed) -> MissingNode:
    return MissingNode(need.class_type, list(need.node_ids), list(need.titles))
