"""Put what people see of errors in front of the JSON that programs get."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from backend.errors import HearthError

_Handler = Callable[[Request, Exception], Awaitable[Response]]
_NOT_PAGES = ("/api", "/ws", "/static", "/docs", "/openapi.json")


def install_error_pages(app: FastAPI) -> None:
    """Put HTML in front of the JSON handlers that are registered on *app*, for requests of browsers only."""
    for kind in (HearthError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _for_people(app.exception_handlers[kind]))


def _for_people(as_json: Callable[..., Any]) -> _Handler:
    async def handle(request: Request, error: Exception) -> Response:
        path = request.url.path
        if any(path == prefix or path.startswith(f"{prefix}/") for prefix in _NOT_PAGES):
            return await as_json(request, error)
        answer = await asyncio.to_thread(_load)
        return await answer(request, error, as_json)

    return handle


def _load() -> Callable[..., Awaitable[Response]]:
    """Load what the first error page needs; blocking."""
    from backend.web.error_page import answer_error

    return answer_error
