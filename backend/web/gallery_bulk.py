"""What is done with several results of the gallery at once."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from backend.bootstrap import owner_of
from backend.web.answers import Toast, done
from backend.web.errors import InvalidForm
from backend.web.gallery import GALLERY_CHANGED
from backend.web.identity import Maker, ServicesDep, Visitor, safe_next

router = APIRouter(prefix="/gallery", include_in_schema=False)

_MOST_CHOSEN = 10_000
_FURTHER_FIELDS = 8


@router.post("/zip")
async def download(request: Request, services: ServicesDep, who: Visitor) -> Response:
    """Send an archive that is written while it is sent."""
    ids, _ = await _chosen(request)
    pieces = await services.results.gallery.archive(ids, owner_of(who))
    headers = {"Content-Disposition": 'attachment; filename="results.zip"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


@router.post("/favourite")
async def favour(request: Request, services: ServicesDep, who: Maker) -> Response:
    """Make results favourites, or ordinary ones again."""
    ids, sent = await _chosen(request)
    count = await services.results.gallery.favour(ids, owner_of(who), favourite=sent.get("value") != "no")
    word = "no longer marked as favourite" if sent.get("value") == "no" else "marked as favourite"
    toast = Toast(f"{_results(count)} {word}", icon="star")
    return await done(request, to=safe_next(sent.get("back") or "/gallery"), events=(GALLERY_CHANGED,), toast=toast)


@router.post("/delete")
async def delete(request: Request, services: ServicesDep, who: Maker) -> Response:
    """Move results to the trash; a browser without scripts is shown what lies there, to undo it."""
    ids, _ = await _chosen(request)
    removed = await services.results.disposal.remove(ids, owner_of(who))
    undo = f"/gallery/restore/{removed.removal_id}" if removed.removal_id else ""
    toast = Toast(f"{_results(len(removed.ids))} in the trash", icon="trash-2", undo_url=undo)
    return await done(request, to="/gallery?trashed=true", events=(GALLERY_CHANGED,), toast=toast)


@router.post("/restore")
async def restore_chosen(request: Request, services: ServicesDep, who: Maker) -> Response:
    """Bring results back from the trash."""
    ids, _ = await _chosen(request)
    back = await services.results.disposal.restore(owner_of(who), ids=ids)
    toast = Toast(f"{_results(len(back.ids))} back in the gallery", icon="undo-2")
    return await done(request, to="/gallery", events=(GALLERY_CHANGED,), toast=toast)


@router.post("/restore/{removal_id}")
async def restore(request: Request, services: ServicesDep, who: Maker, removal_id: str) -> Response:
    """Bring back what one removal took away."""
    back = await services.results.disposal.restore(owner_of(who), removal_id=removal_id)
    to = f"/gallery/{back.ids[0]}" if len(back.ids) == 1 else "/gallery"
    return await done(request, to=to, events=(GALLERY_CHANGED,), toast=Toast("Back in the gallery", icon="undo-2"))


async def _chosen(request: Request) -> tuple[list[str], dict[str, str]]:
    """Read which results were ticked, and what else was sent.

    Raises:
        InvalidForm: None was.
    """
    async with request.form(max_files=0, max_fields=_MOST_CHOSEN + _FURTHER_FIELDS) as form:
        ids = list(dict.fromkeys(value for value in form.getlist("id") if isinstance(value, str)))
        sent = {name: value for name, value in form.items() if isinstance(value, str) and name != "id"}
    if not ids:
        raise InvalidForm("No result is selected.", hint="Tick one or more first.")
    return ids, sent


def _results(count: int) -> str:
    return f"{count} result{'' if count == 1 else 's'}"
