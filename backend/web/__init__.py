"""Pages, fragments and WebSockets for the browser, on the same services as the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from backend.web.problems import install_error_pages

_SOCKETS = {"backend.web.log_socket": ("/ws/system/services",), "backend.web.socket": ("/ws",)}
_PAGES = {"backend.web.startup": ("/startup",), "backend.web.pages": ("/",)}


class FaceSettings(Protocol):
    """What of the settings decides which pages there are."""

    @property
    def enable_dashboard(self) -> bool: ...  # noqa: D102 -- the name speaks


def install(app: FastAPI, settings: FaceSettings) -> Mapping[str, tuple[str, ...]]:
    """Prepare *app* for pages; return where its parts are, with their prefixes: with the dashboard off, the sockets alone."""
    if not settings.enable_dashboard:
        app.add_route("/", _pointer, include_in_schema=False)
        return _SOCKETS
    install_error_pages(app)
    return {**_SOCKETS, **_PAGES}


async def _pointer(_request: Request) -> JSONResponse:
    return JSONResponse({"name": "Hearth", "documentation": "/docs", "health": "/api/health"})
