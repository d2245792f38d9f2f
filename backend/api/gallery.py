"""The gallery: list, look, judge, convert, download, throw away and bring back what was made."""

from __future__ import annotations

from typing import Annotated, Any, cast
from urllib.parse import quote

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field

from backend.api.conditional import names_tag
from backend.api.dependencies import Generator, Manager, Reader, ServicesDep
from backend.auth import Identity, Scope
from backend.generation import Owner
from backend.generation.results import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    MAX_RATING,
    Emptied,
    Format,
    GalleryPage,
    GalleryQuery,
    InvalidGalleryQuery,
    ItemDetail,
    ItemShown,
    Rebuilt,
    Removed,
    Results,
    Returned,
    UploadReport,
    kinds_of,
    moment,
    words_of,
)

router = APIRouter(prefix="/api/gallery", tags=["gallery"])

_MAX_IDS = 10_000
_IMMUTABLE = "private, max-age=31536000, immutable"  # a result never changes; another content has another id
# Whatever a result is, it gets no origin, runs no script and loads nothing.
_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'; sandbox"
# What browsers show and cannot be a page; everything else is only to be saved.
_SHOWN = frozenset(
    {
        "image/png", "image/jpeg", "image/webp", "image/gif", "image/avif", "image/bmp",
        "video/mp4", "video/webm", "video/quicktime",
        "audio/wav", "audio/flac", "audio/mpeg", "audio/ogg", "audio/mp4",
        "text/plain",
    }
)  # fmt: skip


async def _results(services: ServicesDep) -> Results:
    return services.results


ResultsDep = Annotated[Results, Depends(_results)]
Id = Annotated[str, Field(min_length=1, max_length=64)]
Text = Annotated[str | None, Query(max_length=255)]


class Chosen(BaseModel):
    """Results by their ids; those that are not there are left out."""

    ids: list[Id] = Field(min_length=1, max_length=_MAX_IDS, examples=[["8c1f0e6b2d9a47c35e10fa42"]])


class Opinion(BaseModel):
    """What you think of a result; what is left out stays as it is."""

    favourite: bool | None = None
    rating: int | None = Field(None, ge=0, le=MAX_RATING, description="0 takes the rating back")


class Undo(BaseModel):
    """What to bring back from the trash: a removal, or single results."""

    removal_id: str | None = Field(None, max_length=64, description="As the removal answered it")
    ids: list[Id] | None = Field(None, max_length=_MAX_IDS)


def _owner(who: Identity) -> Owner:
    return Owner(
        "owner" if who.key_id is None else f"key:{who.key_id}", who.name, is_admin=who.scope.includes(Scope.MANAGE)
    )


async def _question(
    kind: Annotated[str | None, Query(max_length=200, description="Any of these kinds, separated by commas.")] = None,
    workflow: Annotated[str | None, Query(max_length=255, description="Id of a workflow.")] = None,
    model: Annotated[str | None, Query(max_length=1024, description="A model's name, as its graph has it.")] = None,
    job_id: Annotated[str | None, Query(max_length=64)] = None,
    since: Annotated[str | None, Query(max_length=64, description="First day or time (UTC unless it says so).")] = None,
    until: Annotated[str | None, Query(max_length=64, description="Last day, or a time that is too late.")] = None,
    favourite: bool | None = None,
    rating: Annotated[int, Query(ge=0, le=MAX_RATING, description="At least this rating.")] = 0,
    q: Annotated[str, Query(max_length=200, description="Words that all stand in prompt, title or text.")] = "",
    trashed: Annotated[bool, Query(description="What lies in the trash, instead of everything else.")] = False,
) -> GalleryQuery:
    return GalleryQuery(
        kinds=kinds_of(kind),
        workflow=workflow,
        model=model,
        job=job_id,
        since=moment("since", since),
        until=moment("until", until, end_of_day=True),
        favourite=favourite,
        min_rating=rating,
        words=words_of(q),
        trashed=trashed,
    )


def _may_fail(*statuses: int) -> dict[int | str, dict[str, Any]]:
    reasons = {
        404: "result_not_found", 409: "result_in_the_way", 410: "result_gone", 422: "picture_refused",
        503: "pictures_busy", 507: "result_not_stored",
    }  # fmt: skip
    return {status: {"description": reasons[status]} for status in statuses}


_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "The part that `Range` asks for"},
    304: {"description": "You have it already"},
}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "You have it already"},
}
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("", summary="List results")
async def list_results(
    results: ResultsDep,
    who: Reader,
    query: Annotated[GalleryQuery, Depends(_question)],
    cursor: Annotated[str | None, Query(max_length=300, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> GalleryPage:
    """Show what was made, newest first; without the scope `manage` only what is yours."""
    return await results.gallery.page(query, _owner(who), cursor, limit)


@router.post("/zip", summary="Download several results", response_class=StreamingResponse, responses=_ZIP)
async def download_results(results: ResultsDep, who: Reader, chosen: Chosen) -> StreamingResponse:
    """Send an archive that is written while it is sent."""
    pieces = await results.gallery.archive(chosen.ids, _owner(who))
    headers = {"Content-Disposition": 'attachment; filename="results.zip"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


@router.delete("", summary="Remove results", responses=_may_fail(404, 507))
async def remove_results(results: ResultsDep, who: Generator, chosen: Annotated[Chosen, Body()]) -> Removed:
    """Move results to the trash; the answer's `removal_id` brings them back."""
    return await results.disposal.remove(chosen.ids, _owner(who))


@router.post("/restore", summary="Undo a removal", responses=_may_fail(404, 409, 507))
async def restore_results(results: ResultsDep, who: Generator, undo: Undo) -> Returned:
    """Bring results back from the trash, all or none."""
    if undo.removal_id is None and undo.ids is None:
        raise InvalidGalleryQuery("The request names neither a removal nor results.")
    return await results.disposal.restore(_owner(who), removal_id=undo.removal_id, ids=undo.ids)


@router.post("/trash/empty", summary="Empty the trash", responses=_may_fail(507))
async def empty_trash(results: ResultsDep, who: Generator) -> Emptied:
    """Delete for good what you see of the trash."""
    return await results.disposal.empty_trash(_owner(who))


@router.post("/rebuild", summary="Read the gallery from the disk again")
async def rebuild_gallery(results: ResultsDep, _who: Manager) -> Rebuilt:
    """Make the list again from the files and their sidecars, after files were moved by hand or the database was lost."""
    return await results.disposal.rebuild()


@router.get("/uploads", summary="How copying to the bucket stands")
async def show_uploads(results: ResultsDep, _who: Manager) -> UploadReport | None:
    """Count what waits, is uploaded or was given up; `null` without `RESULTS_S3_URL`."""
    return None if results.uploader is None else await results.uploader.report()


@router.get("/{item_id}", summary="Show a result", responses=_may_fail(404))
async def show_result(item_id: str, results: ResultsDep, who: Reader) -> ItemDetail:
    """Show one result with how it came about: graph, inputs, models with hashes, seconds for each node."""
    return await results.gallery.detail(item_id, _owner(who))


@router.patch("/{item_id}", summary="Judge a result", responses=_may_fail(404))
async def judge_result(item_id: str, opinion: Opinion, results: ResultsDep, who: Generator) -> ItemShown:
    """Make it a favourite, or rate it."""
    return await results.gallery.say(item_id, _owner(who), favourite=opinion.favourite, rating=opinion.rating)


@router.delete("/{item_id}", summary="Remove a result", responses=_may_fail(404, 507))
async def remove_result(item_id: str, results: ResultsDep, who: Generator) -> Removed:
    """Move one result to the trash."""
    return await results.disposal.remove([item_id], _owner(who))


@router.get("/{item_id}/request", summary="What makes a result like this", responses=_may_fail(404, 410))
async def show_request(
    item_id: str,
    results: ResultsDep,
    who: Reader,
    exact: Annotated[bool, Query(description="The graph as it ran, not the workflow as it is today.")] = False,
) -> dict[str, Any]:
    """Answer a body for POST /api/generations; change its inputs or seed to make another."""
    return cast("dict[str, Any]", await results.gallery.request(item_id, _owner(who), exact=exact))


@router.get(
    "/{item_id}/file",
    summary="Download a result",
    response_class=FileResponse,
    responses={**_FILE, **_may_fail(404, 410, 422, 503)},
)
async def result_file(
    request: Request,
    item_id: str,
    results: ResultsDep,
    who: Reader,
    wanted: Annotated[
        Format | None, Query(alias="format", description="Convert a picture; drops its metadata.")
    ] = None,
    quality: Annotated[int, Query(ge=1, le=100, description="Of the conversion; means nothing to png.")] = 85,
    download: Annotated[bool, Query(description="Have the browser save it instead of showing it.")] = False,
) -> Response:
    """Send the file as it is, or a picture in another format (of an animation its first frame)."""
    if wanted is not None:
        return await _converted(request, item_id, results, who, wanted, quality, download)
    found = await results.gallery.file(item_id, _owner(who))
    is_shown = found.item.mime in _SHOWN and not download
    etag = f'"{found.item.sha256}"'
    headers = _headers(etag, found.item.name, shown=is_shown)
    if _has(request, etag):
        return Response(status_code=304, headers=headers)
    mime = found.item.mime if found.item.mime in _SHOWN else _harmless(found.item.mime)
    return FileResponse(found.path, media_type=mime, headers=headers)


@router.get(
    "/{item_id}/thumbnail",
    summary="A small picture of a result",
    response_class=FileResponse,
    responses={**_PICTURE, **_may_fail(404, 410, 422, 503)},
)
async def result_thumbnail(request: Request, item_id: str, results: ResultsDep, who: Reader) -> Response:
    """Send a WebP that fits into 512 x 512 pixels, made when it is asked for first."""
    item, path = await results.gallery.thumbnail(item_id, _owner(who))
    etag = f'"{item.sha256[:32]}-thumbnail"'
    headers = _headers(etag, f"{item.id}.webp", shown=True)
    if _has(request, etag):
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type="image/webp", headers=headers)


async def _converted(
    request: Request, item_id: str, results: Results, who: Identity, wanted: Format, quality: int, download: bool
) -> Response:
    found = await results.gallery.file(item_id, _owner(who))
    etag = f'"{found.item.sha256[:32]}-{wanted.value}-{quality}"'
    headers = _headers(etag, f"{found.item.name.rpartition('.')[0]}.{wanted.value}", shown=not download)
    if _has(request, etag):
        return Response(status_code=304, headers=headers)
    _, picture = await results.gallery.convert(item_id, _owner(who), wanted, quality)
    return Response(picture, media_type=wanted.mime, headers=headers)


def _headers(etag: str, name: str, *, shown: bool) -> dict[str, str]:
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    disposition = f'{"inline" if shown else "attachment"}; filename="{plain}"'
    if plain != name:
        disposition += f"; filename*=UTF-8''{quote(name, safe='')}"  # RFC 6266, section 4.3
    return {
        "ETag": etag,
        "Cache-Control": _IMMUTABLE,
        "Content-Disposition": disposition,
        "Content-Security-Policy": _SANDBOX,
        "X-Content-Type-Options": "nosniff",
    }


def _has(request: Request, etag: str) -> bool:
    known = request.headers.get("if-none-match")
    return known is not None and names_tag(known, etag)


def _harmless(mime: str) -> str:
    """Keep the type of models and drawings for the viewers that ask for it; a page never has one."""
    return mime if mime.startswith(("model/", "image/", "video/", "audio/")) else "application/octet-stream"
