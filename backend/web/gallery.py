"""The gallery as pages: find what was made, look at it, judge it, use it again, throw it away and bring it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from backend.bootstrap import Services, owner_of
from backend.generation import in_order
from backend.generation.job import Owner
from backend.generation.results import MAX_RATING, ItemShown
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
    NodeTime,
)
from backend.web.gallery_query import address, filters_of, query_of
from backend.web.identity import Maker, ServicesDep, Visitor
from backend.web.rendering import is_for, render

router = APIRouter(prefix="/gallery", include_in_schema=False)

GALLERY_CHANGED = "hearth:gallery"
_PAGE = 60
_MOST_SHOWN = 480  # of those that were scrolled to, when the list is shown anew


@router.get("")
async def show_gallery(request: Request, services: ServicesDep, who: Visitor) -> Response:
    """Show what was made, the list alone, or the page that follows, as htmx asks for it."""
    filters = filters_of(request.query_params)
    shown = await _list(request, services, owner_of(who), filters)
    if is_for(request, "gallery-more"):
        return await render(request, services, who, GalleryMore(shown.days, shown.next_href, shown.beside))
    if is_for(request, "gallery-list"):
        response = await render(request, services, who, shown)
        response.headers["HX-Replace-Url"] = shown.here
        return response
    return await render(request, services, who, GalleryHome(**fields_of(shown)))


@router.get("/{item_id}")
async def show_item(request: Request, services: ServicesDep, who: Visitor, item_id: str) -> Response:
    """Show one result, and what stands beside it in the list that led here."""
    owner, filters = owner_of(who), filters_of(request.query_params)
    detail = await services.results.gallery.detail(item_id, owner)
    beside = await services.results.gallery.neighbours(item_id, query_of(filters), owner)
    is_listed = (detail.item.trashed_at is not None) == filters.trashed and beside.place <= beside.total
    kind = GalleryItem if is_for(request, "gallery-item") else GalleryItemPage
    context = kind(
        item=detail.item,
        making=detail.making,
        node_times=_node_times(detail.making),
        here=address(f"/gallery/{item_id}", filters),
        back=address("/gallery", filters),
        newer=address(f"/gallery/{beside.newer}", filters) if beside.newer else None,
        older=address(f"/gallery/{beside.older}", filters) if beside.older else None,
        place=f"{beside.place} of {beside.total}" if is_listed else "",
    )
    return await render(request, services, who, context)


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


async def _list(request: Request, services: Services, owner: Owner, filters: GalleryFilters) -> GalleryList:
    asked = request.query_params
    gallery = services.results.gallery
    page = await gallery.page(query_of(filters), owner, asked.get("cursor") or None, _how_many(asked.get("shown", "")))
    following = {"cursor": page.next, "day": _day(page.items[-1])} if page.next else None
    return GalleryList(
        filters=filters,
        makers=await gallery.makers(owner),
        days=_days(page.items, asked.get("day", "")),
        total=page.total,
        here=address("/gallery", filters),
        next_href=address("/gallery", filters, **following) if following else None,
        beside=address("", filters),
        can_generate=bool(services.generation.backends()),
    )


def _how_many(shown: str) -> int:
    """Return how many results a page has: as many as were shown before, so that nothing jumps."""
    before = int(shown) if shown.isascii() and shown.isdigit() and len(shown) < len("10000") else 0
    return min(max(before, _PAGE), _MOST_SHOWN)


def _days(items: Sequence[ItemShown], begun: str) -> list[Day]:
    """Part results by day; the day that *begun* names goes on without a heading."""
    return [
        Day(day, "" if day == begun else datetime.fromisoformat(day).strftime("%-d %B %Y"), list(made))
        for day, made in groupby(items, _day)
    ]


def _day(item: ItemShown) -> str:
    return item.created_at[:10]


def _node_times(making: Mapping[str, Any]) -> list[NodeTime]:
    titles: dict[str, str] = {node.id: node.title for node in in_order(making.get("graph") or {})}
    measured: Mapping[str, float] = making.get("node_s") or {}
    times = [NodeTime(titles.get(node_id, node_id), seconds) for node_id, seconds in measured.items()]
    return sorted(times, key=lambda time: -time.seconds)
