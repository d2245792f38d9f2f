"""Parts of pages that can be asked for on their own."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from backend.web.errors import UnknownComponent
from backend.web.identity import ServicesDep, Visitor
from backend.web.rendering import frame_of, render, render_template
from backend.web.space import plan_for

router = APIRouter(prefix="/components", include_in_schema=False)

FRAME_PARTS = ("sidebar", "navbar", "tabbar")


@router.get("/bulk-bar")
async def show_bulk_bar(request: Request, services: ServicesDep, who: Visitor) -> Response:
    """Say what installing the ticked presets would take."""
    return await render(request, services, who, await plan_for(services, request.query_params.getlist("preset")))


@router.get("/{name}")
async def show_component(request: Request, services: ServicesDep, who: Visitor, name: str) -> Response:
    """Show one part of the frame."""
    if name not in FRAME_PARTS:
        raise UnknownComponent(f"There is no component {name[:80]!r}.", hint=f"There are: {', '.join(FRAME_PARTS)}.")
    current = request.query_params.get("current", "")
    html = await render_template(f"components/{name}.html", frame_of(request, services, who, current))
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})
