"""The description of every endpoint: ``/openapi.json`` for programs, ``/docs`` for people; no script, no other host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from backend.api.dependencies import AtLeast
from backend.api.guard import OPEN
from backend.api.parts import every_route
from backend.api.reference import reference_page
from backend.auth import SESSION_COOKIE, Scope

Document = dict[str, Any]  # Any: an OpenAPI document is JSON of every shape

router = APIRouter(include_in_schema=False)

_CACHE = {"Cache-Control": "private, no-cache"}

_STYLE = Path(__file__).with_name("reference.css")
_METHODS = {"get", "put", "post", "delete", "patch"}
_ERROR: Document = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint"],
            "properties": {
                "code": {"type": "string", "description": "Stable; docs/errors.md lists every one"},
                "message": {"type": "string", "description": "What happened, for people"},
                "hint": {"type": "string", "description": "What to do next"},
                "details": {"type": "object", "description": "Numbers and names for programs"},
            },
        }
    },
    "example": {
        "error": {"code": "not_signed_in", "message": "Sign in first.", "hint": "Sign in with POST /api/auth/login …"}
    },
}
_ERROR_ANSWER: Document = {
    "description": "Every error has this shape",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_WAYS_IN: Document = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token of POST /api/auth/login, or an API key"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE, "description": "What browsers use"},
}


class Documentation:
    """Describe *app* once, when somebody asks."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._document: Document | None = None
        self._json = b""
        self._page = b""

    def openapi(self) -> Document:
        """Return the OpenAPI document; blocking for some 0.1 s at first."""
        if self._document is None:
            self._document = _document(self._app)
        return self._document

    def json(self) -> bytes:
        """Return the document encoded; blocking at first."""
        if not self._json:
            self._json = json.dumps(self.openapi(), ensure_ascii=False, separators=(",", ":")).encode()
        return self._json

    def page(self) -> bytes:
        """Return the page for people; blocking at first."""
        if not self._page:
            self._page = reference_page(self.openapi()).encode()
        return self._page


def install_documentation(app: FastAPI) -> None:
    """Make ``app.openapi()`` tell who may do what and how errors look."""
    documentation = app.state.documentation = Documentation(app)
    app.openapi = documentation.openapi


@router.get("/openapi.json")
async def openapi_json(request: Request) -> Response:
    """Answer the OpenAPI document."""
    documentation = cast("Documentation", request.app.state.documentation)
    return Response(await asyncio.to_thread(documentation.json), headers=_CACHE, media_type="application/json")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Answer the reference as a page."""
    documentation = cast("Documentation", request.app.state.documentation)
    return Response(await asyncio.to_thread(documentation.page), headers=_CACHE, media_type="text/html")


@router.get("/docs/reference.css")
async def style() -> Response:
    """Answer the page's style."""
    return Response(await asyncio.to_thread(_STYLE.read_bytes), headers=_CACHE, media_type="text/css")


def _document(app: FastAPI) -> Document:
    routes = every_route(app)
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=routes)
    components: Document = document.setdefault("components", {})
    schemas: Document = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)  # FastAPI's own shape of errors, which no endpoint answers
    schemas["Error"] = _ERROR
    components["securitySchemes"] = _WAYS_IN
    scopes = dict(_scopes(routes))
    for path, operations in document["paths"].items():
        for method in _METHODS & operations.keys():
            _complete(operations[method], path in OPEN, scopes.get((path, method)))
    return document


def _complete(operation: Document, is_open: bool, scope: Scope | None) -> None:
    operation["security"] = [] if is_open else [{name: []} for name in _WAYS_IN]
    if scope is not None:
        operation["x-scope"] = scope.value
    answers: Document = operation["responses"]
    answers.pop("422", None)
    answers["default"] = _ERROR_ANSWER


def _scopes(routes: Sequence[BaseRoute]) -> Iterator[tuple[tuple[str, str], Scope]]:
    """Read from each route's dependencies which scope it asks for."""
    for context in iter_route_contexts(routes):
        route = context.original_route
        if not isinstance(route, APIRoute):
            continue
        for dependency in route.dependant.dependencies:
            if isinstance(dependency.call, AtLeast):
                for method in route.methods or ():
                    yield (route.path_format, method.lower()), dependency.call.scope
