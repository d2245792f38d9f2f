"""What belongs to one workflow as files: its document, the graph made of it, older versions, its picture."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

from backend.api.carrying import body_of, encoded
from backend.api.conditional import names_tag
from backend.api.dependencies import Manager, Reader
from backend.api.workflows import Desk, may_fail
from backend.errors import JSON
from backend.generation.workflows import Entry, WorkflowLibrary
from backend.generation.workflows.errors import ThumbnailNotFound
from backend.kit.files import FileIdentity

router = APIRouter(prefix="/api/workflows/{workflow_id}", tags=["workflows"])

_MIMES = {".webp": "image/webp", ".png": "image/png", ".jpg": "image/jpeg"}
_SANDBOX = "default-src 'none'; sandbox"  # a picture from anywhere: it gets no origin and loads nothing
_PICTURE: dict[str, Any] = {
    "content": {mime: {"schema": {"type": "string", "format": "binary"}} for mime in _MIMES.values()}
}
_TAKES_PICTURE: dict[str, Any] = {"requestBody": {"required": True, **_PICTURE}}
_DOCUMENT: dict[str, Any] = {"content": {"application/json": {"schema": {"type": "object"}}}}
_UNCHANGED: dict[str, Any] = {"description": "You have it already"}


class WorkflowVersion(BaseModel):
    """One kept state of a workflow."""

    number: int
    saved_at: str
    size_bytes: int
    is_current: bool


class WorkflowVersions(BaseModel):
    """The kept states, the newest first."""

    items: list[WorkflowVersion]
    total: int


@router.get(
    "/document",
    summary="The document of a workflow",
    response_class=Response,
    responses={200: _DOCUMENT, 304: _UNCHANGED, **may_fail(404, 422)},
)
async def show_document(request: Request, workflow_id: str, desk: Desk, _who: Reader) -> Response:
    """Send the workflow as it is kept, for ComfyUI's editor; one that was imported as a graph is a graph."""
    stored = await asyncio.to_thread(desk.library.get, workflow_id)
    return await _conditional(request, stored.entry.etag, stored.document.best)


@router.get(
    "/prompt",
    summary="The graph of a workflow",
    response_class=Response,
    responses={200: _DOCUMENT, **may_fail(404, 422, 503)},
)
async def show_prompt(workflow_id: str, desk: Desk, _who: Reader) -> Response:
    """Send what runs, in ComfyUI's API format: subgraphs unfolded, switched-off nodes left out."""
    return Response(await asyncio.to_thread(encoded, await desk.prompt(workflow_id)), media_type="application/json")


@router.get("/versions", summary="List versions of a workflow", responses=may_fail(404))
async def list_versions(workflow_id: str, desk: Desk, _who: Reader) -> WorkflowVersions:
    """Show every state that was kept: the last 100."""
    found = await asyncio.to_thread(desk.library.versions, workflow_id)
    items = [
        WorkflowVersion(
            number=each.number,
            saved_at=each.saved_at.isoformat(),
            size_bytes=each.size_bytes,
            is_current=each.is_current,
        )
        for each in found
    ]
    return WorkflowVersions(items=items, total=len(items))


@router.get(
    "/versions/{number}",
    summary="A version of a workflow",
    response_class=Response,
    responses={200: _DOCUMENT, **may_fail(404, 422)},
)
async def show_version(workflow_id: str, number: int, desk: Desk, _who: Reader) -> Response:
    """Send the document of one version; save it with PUT to go back to it."""
    stored = await asyncio.to_thread(desk.library.version, workflow_id, number)
    return Response(await asyncio.to_thread(encoded, stored.document.best), media_type="application/json")


@router.get(
    "/thumbnail",
    summary="The picture of a workflow",
    response_class=FileResponse,
    responses={200: _PICTURE, 304: _UNCHANGED, **may_fail(404)},
)
async def show_thumbnail(request: Request, workflow_id: str, desk: Desk, _who: Reader) -> Response:
    """Send the picture beside a workflow."""
    path, etag = await asyncio.to_thread(_thumbnail, desk.library, workflow_id)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Content-Security-Policy": _SANDBOX}
    if names_tag(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type=_MIMES[path.suffix], headers=headers)


@router.put(
    "/thumbnail",
    status_code=204,
    summary="Set the picture of a workflow",
    openapi_extra=_TAKES_PICTURE,
    responses=may_fail(404, 409, 413, 422),
)
async def set_thumbnail(request: Request, workflow_id: str, desk: Desk, _who: Manager) -> None:
    """Keep a WebP, PNG or JPEG of at most 8 MiB beside a workflow of your own."""
    await asyncio.to_thread(desk.library.set_thumbnail, workflow_id, await body_of(request))


def _thumbnail(library: WorkflowLibrary, workflow_id: str) -> tuple[Path, str]:
    entry: Entry = library.entry(workflow_id)
    if entry.thumbnail is None:
        raise ThumbnailNotFound(f"{entry.name!r} has no picture.")
    identity = FileIdentity.of(entry.thumbnail)
    return entry.thumbnail, f'"{identity.mtime_ns:x}-{identity.size_bytes:x}"'


async def _conditional(request: Request, version: str, document: Mapping[str, JSON]) -> Response:
    headers = {"ETag": f'"{version}"', "Cache-Control": "private, no-cache"}
    if names_tag(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(await asyncio.to_thread(encoded, document), headers=headers, media_type="application/json")
