"""Every page and fragment of the dashboard, with the files that they load."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from backend.web import (
    assets,
    components,
    downloads,
    gallery,
    gallery_bulk,
    generate,
    presets,
    services,
    session,
    settings,
)
from backend.web.identity import ServicesDep, Visitor

router = APIRouter(include_in_schema=False)


@router.get("/")
async def _first_page(services: ServicesDep, _who: Visitor) -> Response:
    first = "/presets" if services.settings.enable_preset_manager else "/downloads"
    return RedirectResponse(first, status_code=303)


for _part in (assets, session, generate, gallery, gallery_bulk, presets, downloads, services, settings, components):
    router.routes.extend(_part.router.routes)
