"""The download queue as a page: what runs, what needs somebody, what waits, what was."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from backend.bootstrap import Services
from backend.downloads import DownloadJob
from backend.errors import HearthError
from backend.kit.redact import redact_url
from backend.web.answers import CLOSE_DIALOG, DOWNLOADS_CHANGED, Toast, done, preset_changed
from backend.web.contexts import AddDialog, AddPage, DownloadsList, DownloadsPage, fields_of
from backend.web.identity import Keeper, ServicesDep, Visitor
from backend.web.rendering import is_for, render
from backend.web.space import free_bytes, reserve_bytes
from backend.web.words import hint_for_people

router = APIRouter(prefix="/downloads", include_in_schema=False)

_RUNNING = ("resolving", "downloading", "verifying")
_MOST_JOBS = 500
_HISTORY_STEP = 20
_MOST_HISTORY = 1000


@router.get("")
async def show_downloads(request: Request, services: ServicesDep, who: Visitor) -> Response:
    """Show the queue, or the groups alone when htmx asks for them."""
    shown = await _groups(request, services)
    page = shown if is_for(request, "download-queue") else DownloadsPage(**fields_of(shown))
    return await render(request, services, who, page)


@router.get("/add")
async def show_add(request: Request, services: ServicesDep, who: Visitor) -> Response:
    """Ask for an address and a folder."""
    form = _add_form(request)(_categories(services), {"url": request.query_params.get("url", "")}, "", "")
    return await render(request, services, who, form)


@router.post("/add")
async def add(
    request: Request,
    services: ServicesDep,
    who: Keeper,
    url: Annotated[str, Form()] = "",
    directory: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    sha256: Annotated[str, Form()] = "",
) -> Response:
    """Queue a file from an address of the user's own."""
    try:
        job = await services.downloads.download_url(
            url.strip(), directory.strip(), name.strip() or None, sha256.strip().lower() or None
        )
    except HearthError as error:
        # An address that carries a secret is not sent back.
        values = {"url": url if redact_url(url) == url else "", "directory": directory, "name": name, "sha256": sha256}
        form = _add_form(request)(_categories(services), values, error.message, hint_for_people(error))
        return await render(request, services, who, form, status=error.status)
    toast = Toast(f"{job.name} is in the queue", icon="download")
    return await done(request, to="/downloads", events=(CLOSE_DIALOG, DOWNLOADS_CHANGED), toast=toast)


@router.post("/pause")
async def pause_all(request: Request, services: ServicesDep, _who: Keeper) -> Response:
    """Pause the whole queue."""
    await services.downloads.pause_all()
    return await done(request, to="/downloads", events=(DOWNLOADS_CHANGED,))


@router.post("/resume")
async def resume_all(request: Request, services: ServicesDep, _who: Keeper) -> Response:
    """Let the whole queue go on."""
    await services.downloads.resume_all()
    return await done(request, to="/downloads", events=(DOWNLOADS_CHANGED,))


@router.post("/clear")
async def clear(request: Request, services: ServicesDep, _who: Keeper) -> Response:
    """Forget every job that ended; files and unfinished data stay."""
    cleared = await services.downloads.clear_history()
    toast = Toast(f"{cleared} {'entry' if cleared == 1 else 'entries'} cleared", icon="history")
    return await done(request, to="/downloads", events=(DOWNLOADS_CHANGED,), toast=toast)


@router.post("/{job_id}/pause")
async def pause(request: Request, services: ServicesDep, _who: Keeper, job_id: str) -> Response:
    """Pause one job."""
    return await _changed(request, await services.downloads.pause(job_id))


@router.post("/{job_id}/resume")
async def resume(request: Request, services: ServicesDep, _who: Keeper, job_id: str) -> Response:
    """Let one job go on."""
    return await _changed(request, await services.downloads.resume(job_id))


@router.post("/{job_id}/cancel")
async def cancel(
    request: Request, services: ServicesDep, _who: Keeper, job_id: str, keep: Annotated[str, Form()] = "yes"
) -> Response:
    """Cancel one job; what has arrived is kept unless the form says otherwise."""
    await services.downloads.cancel_download(job_id, keep_partial=keep != "no")
    return await _changed(request, await services.downloads.get_progress(job_id))


@router.post("/{job_id}/retry")
async def retry(request: Request, services: ServicesDep, _who: Keeper, job_id: str) -> Response:
    """Try a job again that failed, was cancelled or waits for somebody."""
    await services.downloads.retry_failed(job_id)
    return await _changed(request, await services.downloads.get_progress(job_id))


@router.post("/{job_id}/move")
async def move(
    request: Request, services: ServicesDep, _who: Keeper, job_id: str, position: Annotated[int, Form(ge=0)]
) -> Response:
    """Move a job to another place in the queue, from 0."""
    return await _changed(request, await services.downloads.move(job_id, position))


@router.post("/{job_id}/remove")
async def remove(
    request: Request, services: ServicesDep, _who: Keeper, job_id: str, keep: Annotated[str, Form()] = "yes"
) -> Response:
    """Take a job out of the history; unfinished data is kept unless the form says otherwise."""
    await services.downloads.remove(job_id, keep_partial=keep != "no")
    return await done(request, to="/downloads", events=(DOWNLOADS_CHANGED,))


async def _changed(request: Request, job: DownloadJob) -> Response:
    events = [DOWNLOADS_CHANGED]
    if job.preset_id is not None:
        events.append(preset_changed(job.preset_id))
    return await done(request, to="/downloads", events=events)


async def _groups(request: Request, services: Services) -> DownloadsList:
    asked = request.query_params.get("history", "")
    shown = min(_MOST_HISTORY, int(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 6 else _HISTORY_STEP
    queue = await services.downloads.list(active=True, limit=_MOST_JOBS)
    failed = await services.downloads.list(states=("failed",), limit=_MOST_JOBS)
    ended = await services.downloads.list(states=("completed", "cancelled"), limit=shown)
    parallel = services.preferences.get("max_parallel_downloads")
    return DownloadsList(
        running=[job for job in queue.items if job.state in _RUNNING],
        needs_you=[*(job for job in queue.items if job.state == "blocked"), *failed.items],
        waiting=[job for job in queue.items if job.state in ("queued", "paused")],
        history=ended.items,
        history_total=ended.total,
        totals=services.downloads.totals(),
        free_bytes=await free_bytes(services),
        reserve_bytes=reserve_bytes(services),
        parallel=parallel if isinstance(parallel, int) else 0,
        here="/downloads" if shown == _HISTORY_STEP else f"/downloads?history={shown}",
        more_href=f"/downloads?history={shown + _HISTORY_STEP}" if ended.total > len(ended.items) else None,
        has_presets=services.settings.enable_preset_manager,
    )


def _add_form(request: Request) -> type[AddPage]:
    return AddDialog if is_for(request, "dialog") else AddPage


def _categories(services: Services) -> list[tuple[str, str]]:
    return [(category.name, str(services.paths.folder(category.name))) for category in services.paths.categories]
