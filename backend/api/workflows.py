"""Workflows: list, show, import, change, throw away, and what each of them needs here."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, cast

from fastapi import APIRouter, Body, Depends, Header, Query, Request, Response
from pydantic import BaseModel, Field

from backend.api.carrying import CARRIERS, body_of, carried_by, encoded
from backend.api.dependencies import Manager, Reader, ServicesDep
from backend.api.errors import InvalidRequest
from backend.downloads import DownloadJob
from backend.generation.workflows import Stored, WorkflowLibrary, parse_document
from backend.generation.workflows.library.kinds import KINDS
from backend.generation.workflows.service import WorkflowDesk, WorkflowQuery
from backend.generation.workflows.view import (
    Origin,
    QueuedFiles,
    RequirementsShown,
    Snippets,
    WorkflowDetail,
    WorkflowPage,
    WorkflowSummary,
    address_of,
)
from backend.version import VERSION

router = APIRouter(prefix="/api", tags=["workflows"])

_MAX_PAGE = 500
_MAX_IDS = 200


async def workflow_desk(services: ServicesDep) -> WorkflowDesk:
    """Return the service of workflows."""
    return services.workflow_desk


Desk = Annotated[WorkflowDesk, Depends(workflow_desk)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
IfMatch = Annotated[str | None, Header(max_length=2000, description="Only when the document is still this one.")]


class NewName(BaseModel):
    """What a workflow shall be called, and its folder; a folder that is left out stays, null is the top."""

    name: Name | None = None
    folder: Annotated[str | None, Field(max_length=255)] = None


class TrashedWorkflow(BaseModel):
    """A workflow in the trash."""

    trash_id: str
    workflow_id: str = Field(description="Its id before it was deleted; restore it by either")
    name: str
    folder: str | None
    deleted_at: str


class TrashedWorkflows(BaseModel):
    """What can be restored, the last deleted first."""

    items: list[TrashedWorkflow]
    total: int


class WantedFiles(BaseModel):
    """Which of the missing files to download."""

    files: list[Annotated[str, Field(min_length=1, max_length=1024)]] | None = Field(
        None, max_length=200, description="`file` of each; all that is missing when left out"
    )


class QueuedRequirement(BaseModel):
    """What became of one file, or of several that one preset brings: a job, or an error."""

    files: list[str]
    job: DownloadJob | None
    error: dict[str, Any] | None


class QueuedRequirements(BaseModel):
    """What became of every file."""

    items: list[QueuedRequirement]
    total: int


def may_fail(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe refusals by their codes."""
    reasons = {
        404: "workflow_not_found", 409: "workflow_exists, workflow_read_only", 412: "workflow_changed",
        413: "workflow_too_large, body_too_large", 422: "not_a_workflow, no_workflow_inside, conversion_failed",
        503: "no_backend, backends_unknown",
    }  # fmt: skip
    return {status: {"description": reasons[status]} for status in statuses}


async def _question(
    q: Annotated[str, Query(max_length=200, description="Words that must all be found.")] = "",
    kind: Annotated[str | None, Query(max_length=100, description=f"Any of {', '.join(KINDS)}; by commas.")] = None,
    source: Annotated[str | None, Query(max_length=100, description="Any of mine, shipped, official.")] = None,
    can_run: Annotated[bool | None, Query(description="Only what a ComfyUI has (or lacks) something for.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MAX_PAGE)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> WorkflowQuery:
    return WorkflowQuery(
        words=tuple(q.casefold().split()),
        kinds=_choices("kind", kind, KINDS),
        sources=[Origin(each) for each in _choices("source", source, [*Origin])],
        can_run=can_run,
        limit=limit,
        offset=offset,
    )


@router.get("/workflows", summary="List workflows", responses=may_fail(503))
async def list_workflows(desk: Desk, _who: Reader, query: Annotated[WorkflowQuery, Depends(_question)]) -> WorkflowPage:
    """Show your own workflows, those that come with Hearth, and the official templates; 503 only with `can_run`."""
    return await desk.page(query)


@router.post(
    "/workflows",
    status_code=201,
    summary="Import a workflow",
    openapi_extra=CARRIERS,
    responses=may_fail(409, 413, 422),
)
async def import_workflow(
    request: Request,
    response: Response,
    desk: Desk,
    _who: Manager,
    name: Annotated[str | None, Query(max_length=255, description="Left out, the file's own, made free.")] = None,
    folder: Annotated[str | None, Query(max_length=255)] = None,
) -> WorkflowDetail:
    """Keep a workflow: JSON in either format, or a PNG, WebP, JPEG, MP4, WebM or sound that ComfyUI made with it."""
    async with carried_by(request) as carried:
        stored = await desk.take(
            carried.file, carried.filename, name=name or carried.name, folder=folder or carried.folder
        )
    _lead_to(response, stored)
    return await desk.show(stored)


@router.get(
    "/workflows/openapi.json",
    summary="Describe workflows as operations",
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}, **may_fail(503)},
)
async def describe_workflows(
    desk: Desk,
    _who: Reader,
    ids: Annotated[str | None, Query(max_length=20_000, description="Only these, separated by commas.")] = None,
) -> Response:
    """Answer an OpenAPI document with one operation for each workflow: your own and those that come with Hearth.

    All of them are POST /api/generations; what stands behind the `#` of a path tells them apart and is never sent.
    """
    wanted = [each.strip() for each in (ids or "").split(",") if each.strip()]
    if len(wanted) > _MAX_IDS:
        raise InvalidRequest(f"More than {_MAX_IDS} ids are asked for.")
    document = await desk.openapi(VERSION, wanted)
    return Response(await asyncio.to_thread(encoded, document), media_type="application/json")


@router.get("/trash/workflows", summary="List deleted workflows")
async def list_trash(desk: Desk, _who: Reader) -> TrashedWorkflows:
    """Show what can be restored."""
    items = [TrashedWorkflow(**cast("Any", each.as_dict())) for each in await asyncio.to_thread(desk.library.trash)]
    return TrashedWorkflows(items=items, total=len(items))


@router.get("/workflows/{workflow_id}", summary="Show a workflow", responses=may_fail(404, 422))
async def show_workflow(workflow_id: str, desk: Desk, _who: Reader) -> WorkflowDetail:
    """Show one workflow with its inputs, as fields for a form and as JSON Schema, and how much of it is missing here."""
    return await desk.detail(workflow_id)


@router.put("/workflows/{workflow_id}", summary="Save a workflow", responses=may_fail(404, 409, 412, 413, 422))
async def save_workflow(
    request: Request,
    workflow_id: str,
    response: Response,
    desk: Desk,
    _who: Manager,
    if_match: IfMatch = None,
) -> WorkflowDetail:
    """Replace the content; the old one stays as a version. With `If-Match`, nobody's change is overwritten unseen."""
    body = await body_of(request)
    stored = await asyncio.to_thread(_save, desk.library, workflow_id, body, if_match)
    _lead_to(response, stored)
    return await desk.show(stored)


@router.patch("/workflows/{workflow_id}", summary="Rename a workflow", responses=may_fail(404, 409))
async def rename_workflow(
    workflow_id: str, wanted: NewName, response: Response, desk: Desk, _who: Manager
) -> WorkflowSummary:
    """Give it another name or folder, and so another id; versions and picture go along."""
    stored = await asyncio.to_thread(_rename, desk.library, workflow_id, wanted)
    _lead_to(response, stored)
    return await desk.summary(stored.entry.id)


@router.delete("/workflows/{workflow_id}", summary="Delete a workflow", responses=may_fail(404, 409))
async def delete_workflow(workflow_id: str, desk: Desk, _who: Manager) -> TrashedWorkflow:
    """Move it to the trash, with its versions and its picture."""
    trashed = await asyncio.to_thread(desk.library.delete, workflow_id)
    return TrashedWorkflow(**cast("Any", trashed.as_dict()))


@router.post("/workflows/{workflow_id}/restore", summary="Restore a workflow", responses=may_fail(404, 409))
async def restore_workflow(workflow_id: str, response: Response, desk: Desk, _who: Manager) -> WorkflowSummary:
    """Bring a deleted workflow back, by the id that it had or by its id in the trash."""
    entry = await asyncio.to_thread(desk.library.restore, workflow_id)
    response.headers["Location"] = address_of(entry.id)
    return await desk.summary(entry.id)


@router.get("/workflows/{workflow_id}/requirements", summary="What a workflow needs", responses=may_fail(404, 422, 503))
async def show_requirements(workflow_id: str, desk: Desk, _who: Reader) -> RequirementsShown:
    """Show which nodes and models are missing here, where each file can be had, its size and its licence."""
    return await desk.needs.show(workflow_id)


@router.post(
    "/workflows/{workflow_id}/requirements/download",
    status_code=202,
    summary="Download what a workflow needs",
    responses=may_fail(404, 503),
)
async def download_requirements(
    workflow_id: str, desk: Desk, _who: Manager, wanted: Annotated[WantedFiles | None, Body()] = None
) -> QueuedRequirements:
    """Queue every missing file, or those that are named; one that is refused has an `error` and stops no other."""
    items = [_shown(each) for each in await desk.needs.download(workflow_id, wanted.files if wanted else None)]
    return QueuedRequirements(items=items, total=len(items))


@router.get("/workflows/{workflow_id}/snippets", summary="How to run a workflow", responses=may_fail(404, 422, 503))
async def show_snippets(request: Request, workflow_id: str, desk: Desk, _who: Reader) -> Snippets:
    """Answer a line for the shell and a Python program; both take the key from `HEARTH_KEY`."""
    return await desk.snippets(workflow_id, str(request.base_url))


def _choices(name: str, given: str | None, known: list[str] | tuple[str, ...]) -> list[str]:
    wanted = [each.strip() for each in (given or "").split(",") if each.strip()]
    unknown = next((each for each in wanted if each not in known), None)
    if unknown is not None:
        raise InvalidRequest(f"{name}: {unknown!r} is unknown.", hint=f"Use any of: {', '.join(known)}.")
    return wanted


def _save(library: WorkflowLibrary, workflow_id: str, body: bytes, if_match: str | None) -> Stored:
    content = parse_document(body).best
    return library.save(workflow_id, content, expected=_expected(library, workflow_id, if_match))


def _expected(library: WorkflowLibrary, workflow_id: str, if_match: str | None) -> str | None:
    """Return the version that must still be there; of several that are named, the one that is."""
    # RFC 9110, section 13.1.1. Weak tags count too: proxies weaken ours when they compress, and the content is the same.
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in (if_match or "*").split(",")]
    if "*" in tags:
        return None
    current = library.entry(workflow_id).etag
    return current if current in tags else tags[0]


def _rename(library: WorkflowLibrary, workflow_id: str, wanted: NewName) -> Stored:
    entry = library.entry(workflow_id)
    folder = wanted.folder if "folder" in wanted.model_fields_set else entry.folder
    return library.rename(workflow_id, wanted.name or entry.name, folder=folder)


def _lead_to(response: Response, stored: Stored) -> None:
    response.headers["Location"] = address_of(stored.entry.id)
    response.headers["ETag"] = f'"{stored.entry.etag}"'


def _shown(queued: QueuedFiles) -> QueuedRequirement:
    return QueuedRequirement(files=queued.files, job=cast("DownloadJob | None", queued.job), error=queued.error)
