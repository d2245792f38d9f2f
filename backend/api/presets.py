"""Presets: list, show, download, check, remove, and keep one's own."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from backend.api.conditional import conditional
from backend.api.dependencies import Manager, Reader, ServicesDep
from backend.downloads import DownloadJob
from backend.errors import JSON
from backend.presets import (
    MAX_DEFINITION_BYTES,
    Category,
    CategoryList,
    InvalidPreset,
    PresetDetail,
    PresetDocument,
    PresetManager,
    PresetPage,
    PresetQuery,
    PresetsDisabled,
    PresetStatusView,
    Queued,
    Removal,
    Restored,
    Sort,
    Status,
    UpdateReport,
    VerificationView,
    document_schema,
    encode,
    parse_preset,
    parse_query,
)

router = APIRouter(prefix="/api/presets", tags=["presets"])


async def _presets(services: ServicesDep) -> PresetManager:
    if not services.settings.enable_preset_manager:
        raise PresetsDisabled("Presets are switched off here (ENABLE_PRESET_MANAGER=false).")
    return services.presets


Presets = Annotated[PresetManager, Depends(_presets)]


class WantedPresets(BaseModel):
    """Presets to download."""

    ids: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        min_length=1, max_length=200, examples=[["sd15-text-to-image", "LTX_VIDEO_T2V"]]
    )


class QueuedPreset(BaseModel):
    """What became of one id: a job, or the error that it would have had alone."""

    id: str
    job: DownloadJob | None
    error: dict[str, Any] | None


class QueuedPresets(BaseModel):
    """What became of every id, in the order in which they were asked for."""

    items: list[QueuedPreset]
    total: int


class Undo(BaseModel):
    """Which removal to undo."""

    removal_id: str | None = Field(default=None, max_length=64, description="The last one when left out.")


def _choice(name: str, values: list[str], description: str) -> dict[str, JSON]:
    schema: dict[str, JSON] = {"type": "array", "items": {"type": "string", "enum": list(values)}}
    return {"name": name, "in": "query", "description": description, "schema": schema, "explode": False}


def _value(name: str, kind: dict[str, JSON], description: str) -> dict[str, JSON]:
    return {"name": name, "in": "query", "description": description, "schema": kind}


# Read by `parse_query` and not by FastAPI: the whole question is parsed once and remembered.
_LIST_PARAMETERS = [
    _choice("category", [str(each) for each in Category], "Any of these categories."),
    _value("q", {"type": "string", "maxLength": 200}, "Words that must all be found in name, tags, files or text."),
    _choice("status", [str(each) for each in Status], "Any of these states."),
    _value("tag", {"type": "array", "items": {"type": "string"}}, "All of these tags."),
    _value("gated", {"type": "boolean"}, "Only presets that need (or do not need) an accepted licence."),
    _value(
        "sort",
        {"type": "string", "enum": [sign + sort for sort in Sort for sign in ("", "-")]},
        "Order; a minus turns it round. Left out: by relevance when there are words, else by name.",
    ),
    _value("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 100}, "Presets on one page."),
    _value("offset", {"type": "integer", "minimum": 0, "maximum": 1_000_000, "default": 0}, "Presets to skip."),
]
_DEFINITION_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": document_schema()}}}
}


@lru_cache(maxsize=512)
def _question(query_string: bytes) -> PresetQuery:
    return parse_query(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))


async def _definition(request: Request) -> PresetDocument:
    """Read a definition from the body, and no more of the body than a definition can be long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_DEFINITION_BYTES:
            raise InvalidPreset(f"The definition is larger than {MAX_DEFINITION_BYTES} bytes.")
    return await asyncio.to_thread(parse_preset, bytes(body))


@router.get(
    "",
    summary="List presets",
    responses={200: {"model": PresetPage}, 304: {"description": "Nothing has changed"}},
    openapi_extra={"parameters": _LIST_PARAMETERS},
)
async def list_presets(request: Request, _who: Reader, presets: Presets) -> Response:
    """Filter, search, order and page; send the ETag back as `If-None-Match` to hear only of changes."""
    return conditional(request, await presets.list_encoded(_question(request.scope["query_string"])))


@router.get("/categories", summary="List categories", responses={200: {"model": CategoryList}})
async def list_categories(request: Request, _who: Reader, presets: Presets) -> Response:
    """Count the presets of each category, and those that are installed."""
    return conditional(request, encode(await presets.categories()))


@router.post("/download", status_code=202, summary="Download several presets")
async def download_presets(wanted: WantedPresets, _who: Manager, presets: Presets) -> QueuedPresets:
    """Queue each preset; one that is refused has an `error` instead of a `job` and stops no other."""
    items = [_shown(queued) for queued in await presets.download_many(wanted.ids)]
    return QueuedPresets(items=items, total=len(items))


@router.post("/update", summary="Update the catalogue")
async def update_presets(_who: Manager, presets: Presets) -> UpdateReport:
    """Fetch the catalogue at PRESET_CATALOG_URL, check all of it and swap it in at once; your own presets stay."""
    return await presets.update()


@router.post("", status_code=201, summary="Add a preset", openapi_extra=_DEFINITION_BODY)
async def create_preset(request: Request, response: Response, _who: Manager, presets: Presets) -> PresetDetail:
    """Keep a definition of your own in `<workspace>/config/presets`."""
    created = await presets.create(await _definition(request))
    response.headers["Location"] = f"/api/presets/{created.id}"
    return created


@router.get("/{preset_id}", summary="Show a preset", responses={200: {"model": PresetDetail}})
async def show_preset(request: Request, preset_id: str, _who: Reader, presets: Presets) -> Response:
    """Show a preset with its files; older ids lead to their successor, given-up ones answer 410 with the reason."""
    return conditional(request, encode(await presets.view(preset_id)))


@router.put("/{preset_id}", summary="Replace a preset", openapi_extra=_DEFINITION_BODY)
async def replace_preset(request: Request, preset_id: str, _who: Manager, presets: Presets) -> PresetDetail:
    """Replace your definition, or override one that comes with Hearth; files on disk stay."""
    return await presets.replace(preset_id, await _definition(request))


@router.delete("/{preset_id}", summary="Remove a preset's files")
async def delete_preset(
    preset_id: str,
    _who: Manager,
    presets: Presets,
    dry_run: Annotated[bool, Query(description="Only tell what would go and what would stay.")] = False,
    definition: Annotated[bool, Query(description="Remove your own definition too.")] = False,
) -> Removal:
    """Move files to the trash; what another installed preset needs stays, and the answer says so."""
    return await presets.delete(preset_id, dry_run=dry_run, definition=definition)


@router.get("/{preset_id}/status", summary="How a preset stands", responses={200: {"model": PresetStatusView}})
async def show_status(request: Request, preset_id: str, _who: Reader, presets: Presets) -> Response:
    """Say what of a preset is on disk, and whether it can be trusted."""
    return conditional(request, encode(await presets.status(preset_id)))


@router.post("/{preset_id}/download", status_code=202, summary="Download a preset")
async def download_preset(preset_id: str, response: Response, _who: Manager, presets: Presets) -> DownloadJob:
    """Queue what is missing; asked again, the same job is answered."""
    job = await presets.download(preset_id)
    response.headers["Location"] = f"/api/downloads/{job.id}"
    return cast("DownloadJob", job)


@router.post("/{preset_id}/restore", summary="Undo a removal")
async def restore_preset(
    preset_id: str, _who: Manager, presets: Presets, undo: Annotated[Undo | None, Body()] = None
) -> Restored:
    """Bring the files of a removal back from the trash."""
    return await presets.restore(preset_id, undo.removal_id if undo else None)


@router.post(
    "/{preset_id}/verify",
    status_code=202,
    summary="Check a preset's files",
    responses={200: {"model": VerificationView, "description": "The check has ended (`wait=true`)"}},
)
async def verify_preset(
    preset_id: str,
    response: Response,
    _who: Manager,
    presets: Presets,
    wait: Annotated[bool, Query(description="Answer at the end of the check.")] = False,
) -> VerificationView:
    """Read every file whole and compare its checksum; a check under way is joined."""
    check = await presets.verify(preset_id, wait=wait)
    response.status_code = 200 if wait else 202
    response.headers["Location"] = f"/api/presets/{check.preset_id}/verify"
    return check


@router.get("/{preset_id}/verify", summary="How the last check stands")
async def show_verification(preset_id: str, _who: Reader, presets: Presets) -> VerificationView:
    """Tell how far the last check since the start has come, or how it ended."""
    return await presets.verification(preset_id)


@router.delete("/{preset_id}/verify", summary="Stop a check")
async def cancel_verification(preset_id: str, _who: Manager, presets: Presets) -> VerificationView:
    """Stop reading; what was found out so far is kept."""
    return await presets.cancel_verification(preset_id)


def _shown(queued: Queued) -> QueuedPreset:
    error = None if queued.error is None else queued.error.as_dict()
    return QueuedPreset(id=queued.id, job=cast("DownloadJob | None", queued.job), error=error)
