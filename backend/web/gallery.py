"""The gallery as pages: find what was made, look at it, judge it, use it again, throw it away and bring it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from backend.bootstrap import Services, owner_of
from backend.generation.job import Owner
from backend.generation.results import MAX_RATING, GalleryQuery, ItemShown, kinds_of, words_of
from backend.web.answers import Toast, done
from backend.web.contexts import fields_of
from backend.web.gallery_contexts import (
    Day,
    GalleryFilters,
    GalleryHome,
    GalleryItem,
    GalleryItemPage,
    GalleryList,
    GalleryMore,
)
from backend.web.identity import Maker, ServicesDep, Visitor
from backend.web.rendering import is_for, render

router = APIRouter(prefix="/gallery", include_in_schema=False)

GALLERY_CHANGED = "hearth:gallery"
_PAGE = 60


@router.get("")
async def show_gallery(request: Request, services: ServicesDep, who: Visitor) -> Response:
    """Show what was made, the list alone, or the page that follows, as htmx asks for it."""
    shown = await _list(request, services, owner_of(who))
    if is_for(request, "gallery-more"):
        return await render(request, services, who, GalleryMore(shown.days, shown.next_href))
    page = shown if is_for(request, "gallery-list") else GalleryHome(**fields_of(shown))
    return await render(request, services, who, page)


@router.post("/restore/{removal_id}")
async def restore(request: Request, services: ServicesDep, who: Maker, removal_id: str) -> Response:
    """Bring back what one removal took away."""
    back = await services.results.disposal.restore(owner_of(who), removal_id=removal_id)
    to = f"/gallery/{back.ids[0]}" if len(back.ids) == 1 else "/gallery"
    return await done(request, to=to, events=(GALLERY_CHANGED,), toast=Toast("Back in the gallery", icon="undo-2"))


@router.get("/{item_id}")
async def show_item(request: Request, services: ServicesDep, who: Visitor, item_id: str) -> Response:
    """Show one result."""
    detail = await services.results.gallery.detail(item_id, owner_of(who))
    kind = GalleryItem if is_for(request, "gallery-item") else GalleryItemPage
    return await render(request, services, who, kind(detail.item, detail.making))


@router.post("/{item_id}/favourite")
async def favourite(
    request: Request, services: ServicesDep, who: Maker, item_id: str, value: Annotated[str, Form()] = "yes"
) -> Response:
    """Make a result a favourite, or an ordinary one again."""
    await services.results.gallery.say(item_id, owner_of(who), favourite=value == "yes")
    return await done(request, to=f"/gallery/{item_id}", events=(GALLERY_CHANGED,))


@router.post("/{item_id}/rating")
async def rate(
    request: Request,
    services: ServicesDep,
    who: Maker,
    item_id: str,
    value: Annotated[int, Form(ge=0, le=MAX_RATING)],
) -> Response:
    """Rate a result; 0 takes the rating back."""
    await services.results.gallery.say(item_id, owner_of(who), rating=value)
    return await done(request, to=f"/gallery/{item_id}", events=(GALLERY_CHANGED,))


@router.post("/{item_id}/delete")
async def delete(request: Request, services: ServicesDep, who: Maker, item_id: str) -> Response:
    """Move a result to the trash."""
    removed = await services.results.disposal.remove([item_id], owner_of(who))
    undo = f"/gallery/restore/{removed.removal_id}" if removed.removal_id else ""
    toast = Toast("In the trash", icon="trash-2", undo_url=undo)
    return await done(request, to=f"/gallery/{item_id}", events=(GALLERY_CHANGED,), toast=toast)


async def _list(request: Request, services: Services, owner: Owner) -> GalleryList:
    asked = request.query_params
    filters = GalleryFilters(asked.get("q", ""), asked.get("kind", ""), asked.get("favourite", "") == "true")
    query = GalleryQuery(
        kinds=kinds_of(filters.kind), favourite=True if filters.favourite else None, words=words_of(filters.q)
    )
    page = await services.results.gallery.page(query, owner, asked.get("cursor") or None, _PAGE)
    following = {**_asked(filters), "cursor": page.next, "day": _day(page.items[-1])} if page.next else None
    return GalleryList(
        filters=filters,
        days=_days(page.items, asked.get("day", "")),
        total=page.total,
        next_href=f"/gallery?{urlencode(following)}" if following else None,
        can_generate=bool(services.generation.backends()),
    )


def _days(items: Sequence[ItemShown], begun: str) -> list[Day]:
    """Part results by day; the day that *begun* names goes on without a heading."""
    return [
        Day(day, "" if day == begun else datetime.fromisoformat(day).strftime("%-d %B %Y"), list(made))
        for day, made in groupby(items, _day)
    ]


def _day(item: ItemShown) -> str:
    return item.created_at[:10]


def _asked(filters: GalleryFilters) -> dict[str, str]:
    told = {"q": filters.q, "kind": filters.kind, "favourite": "true" if filters.favourite else ""}
    return {name: value for name, value in told.items() if value}
