"""Downloads: the queue, its history, and every way to steer them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from backend.api.dependencies import Manager, Reader, ServicesDep
from backend.downloads import DownloadJob, DownloadState, InvalidDownloadRequest, QueueTotals

router = APIRouter(prefix="/api/downloads", tags=["downloads"])

_MAX_PAGE = 500
KeepPartial = Annotated[
    bool, Query(description="Keep what has arrived of unfinished files, so that a retry continues.")
]


class JobList(BaseModel):
    """One page of jobs: the queue in its order, then the history, newest first; and the queue in numbers."""

    items: list[DownloadJob]
    total: int = Field(description="Jobs that match, on all pages")
    limit: int
    offset: int
    queue: QueueTotals


class StartDownload(BaseModel):
    """Either a preset, or an address with the folder that its file goes to."""

    preset_id: str | None = Field(None, min_length=1, max_length=128, examples=["sdxl-base"])
    url: str | None = Field(None, min_length=1, max_length=8192, examples=["https://example.org/model.safetensors"])
    directory: str | None = Field(
        None, min_length=1, max_length=255, description="Category, with sub-folders", examples=["checkpoints"]
    )
    name: str | None = Field(
        None, min_length=1, max_length=255, description="Left out: as the address or its host says"
    )
    sha256: str | None = Field(None, max_length=71, description="What the content must hash to")
    priority: int = Field(0, ge=-100, le=100, description="Higher goes first")


class Move(BaseModel):
    """The new place in the queue."""

    position: int = Field(ge=0, description="From 0; more than there are jobs means the end", examples=[0])


class Cleared(BaseModel):
    """What was forgotten."""

    removed: int = Field(examples=[12])


def _states(state: str | None) -> tuple[DownloadState, ...]:
    names = [name.strip() for name in (state or "").split(",") if name.strip()]
    try:
        return tuple(DownloadState(name) for name in names)
    except ValueError:
        known = ", ".join(DownloadState)
        raise InvalidDownloadRequest(f"{state!r} holds no known state.", hint=f"States are: {known}.") from None


def _may_fail(*statuses: int) -> dict[int | str, dict[str, Any]]:
    reasons = {404: "download_not_found", 409: "illegal_download_state", 503: "queue_not_stored"}
    return {status: {"description": reasons.get(status, "refused")} for status in statuses}


@router.get("", summary="List downloads")
async def list_downloads(
    services: ServicesDep,
    _who: Reader,
    state: Annotated[str | None, Query(description="Only these states, separated by commas.")] = None,
    active: Annotated[bool | None, Query(description="true: the queue; false: the history.")] = None,
    preset_id: Annotated[str | None, Query(max_length=128)] = None,
    q: Annotated[str, Query(max_length=200, description="Text in the name, preset or file names.")] = "",
    limit: Annotated[int, Query(ge=1, le=_MAX_PAGE)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> JobList:
    """Show the queue in its order, then what has ended, newest first."""
    page = await services.downloads.list(
        states=_states(state), active=active, preset_id=preset_id, query=q, limit=limit, offset=offset
    )
    return JobList(items=[*page.items], total=page.total, limit=limit, offset=offset, queue=page.queue)


@router.post(
    "/start",
    status_code=202,
    summary="Start a download",
    responses={409: {"description": "wanted_otherwise: another job brings another content to the same place"}},
)
async def start_download(
    wanted: StartDownload, response: Response, services: ServicesDep, _who: Manager
) -> DownloadJob:
    """Store a job and answer it; asked again, the same job is answered.

    A job that does not fit on its disk, or waits for a token, is `blocked` and continues by itself.
    """
    job = await _start(services, wanted)
    response.headers["Location"] = f"/api/downloads/{job.id}"
    return job


async def _start(services: ServicesDep, wanted: StartDownload) -> DownloadJob:
    if wanted.preset_id is not None and wanted.url is None:
        return await services.downloads.download_preset(wanted.preset_id, priority=wanted.priority)
    if wanted.preset_id is None and wanted.url is not None and wanted.directory is not None:
        return await services.downloads.download_url(
            wanted.url, wanted.directory, wanted.name, wanted.sha256, priority=wanted.priority
        )
    raise InvalidDownloadRequest("The request names neither a preset nor an address with its folder, or both.")


@router.post("/pause", summary="Pause everything")
async def pause_all(services: ServicesDep, _who: Manager) -> QueueTotals:
    """Pause every unfinished job; until everything is resumed, new jobs begin paused."""
    return await services.downloads.pause_all()


@router.post("/resume", summary="Resume everything")
async def resume_all(services: ServicesDep, _who: Manager) -> QueueTotals:
    """Queue every paused or blocked job again, also those that were paused one by one."""
    return await services.downloads.resume_all()


@router.delete("/history", summary="Clear the history")
async def clear_history(services: ServicesDep, _who: Manager, keep_partial: KeepPartial = True) -> Cleared:
    """Forget every job that has ended; files stay."""
    return Cleared(removed=await services.downloads.clear_history(keep_partial=keep_partial))


@router.get("/{job_id}", summary="Show a download", responses=_may_fail(404))
async def show_download(job_id: str, services: ServicesDep, _who: Reader) -> DownloadJob:
    """Show one job with its files as they are now."""
    return await services.downloads.get_progress(job_id)


@router.delete("/{job_id}", status_code=204, summary="Forget a download", responses=_may_fail(404, 409))
async def remove_download(
    job_id: str, services: ServicesDep, _who: Manager, keep_partial: KeepPartial = True
) -> Response:
    """Take an ended job out of the history; its files stay."""
    await services.downloads.remove(job_id, keep_partial=keep_partial)
    return Response(status_code=204)


@router.post("/{job_id}/cancel", summary="Cancel a download", responses=_may_fail(404, 409, 503))
async def cancel_download(
    job_id: str, services: ServicesDep, _who: Manager, keep_partial: KeepPartial = True
) -> DownloadJob:
    """Close the connections, then answer; a file that another job wants too goes on for that one."""
    return await services.downloads.cancel(job_id, keep_partial=keep_partial)


@router.post("/{job_id}/pause", summary="Pause a download", responses=_may_fail(404, 409, 503))
async def pause_download(job_id: str, services: ServicesDep, _who: Manager) -> DownloadJob:
    """Close the connections and keep what has arrived."""
    return await services.downloads.pause(job_id)


@router.post("/{job_id}/resume", summary="Resume a download", responses=_may_fail(404, 409, 503))
async def resume_download(job_id: str, services: ServicesDep, _who: Manager) -> DownloadJob:
    """Queue a paused or blocked job again; it continues with the bytes that are there."""
    return await services.downloads.resume(job_id)


@router.post("/{job_id}/retry", summary="Retry a download", responses=_may_fail(404, 409, 503))
async def retry_download(job_id: str, services: ServicesDep, _who: Manager) -> DownloadJob:
    """Queue again what is not there of a job that failed, was cancelled or is blocked."""
    return await services.downloads.retry(job_id)


@router.post("/{job_id}/move", summary="Move a download", responses=_may_fail(404, 409, 503))
async def move_download(job_id: str, place: Move, services: ServicesDep, _who: Manager) -> DownloadJob:
    """Put an unfinished job at another place in the queue; at the front, it is served next."""
    return await services.downloads.move(job_id, place.position)
