"""Pages, fragments and WebSockets for the browser, on the same services as the API."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from backend.web import assets, components, downloads, gallery, generate, presets, session, settings, socket
from backend.web.identity import ServicesDep, Visitor
from backend.web.problems import install_error_pages


class FaceSettings(Protocol):
    """What of the settings decides which pages there are."""

    @property
    def enable_dashboard(self) -> bool: ...  # noqa: D102 -- the name speaks


def install(app: FastAPI, settings_: FaceSettings) -> None:
    """Add pages, static files and WebSockets to *app*; with the dashboard off, the sockets alone."""
    routes = app.router.routes
    routes.extend(socket.router.routes)
    if not settings_.enable_dashboard:
        app.add_route("/", _pointer, include_in_schema=False)
        return
    parts = (assets, session, generate, gallery, presets, downloads, settings, components)
    for part in (_home, *(each.router for each in parts)):
        routes.extend(part.routes)
    install_error_pages(app)


_home = APIRouter(include_in_schema=False)


@_home.get("/")
async def _first_page(services: ServicesDep, _who: Visitor) -> Response:
    first = "/presets" if services.settings.enable_preset_manager else "/downloads"
    return RedirectResponse(first, status_code=303)


async def _pointer(_request: Request) -> JSONResponse:
    return JSONResponse({"name": "Hearth", "documentation": "/docs", "health": "/api/health"})
