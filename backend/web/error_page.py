"""What a person sees of an error: a page with the next step for a browser, a toast for htmx."""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from backend.auth import NotSignedIn
from backend.errors import HearthError
from backend.kit.redact import redact
from backend.logs import get_logger
from backend.web.answers import Toast, is_htmx, toast_html
from backend.web.contexts import ErrorPage
from backend.web.errors import FrontEndMissing, InvalidForm
from backend.web.identity import ask_to_sign_in, services_of
from backend.web.rendering import render_bare
from backend.web.words import hint_for_people

log = get_logger(__name__)


async def answer_error(request: Request, error: Exception, as_json: Callable[..., Any]) -> Response:
    """Answer HTML to a person, and what *as_json* makes of it to everybody else."""
    if not _is_person(request):
        return await as_json(request, error)
    if isinstance(error, NotSignedIn):
        return ask_to_sign_in(request)
    shown = _as_hearth_error(error)
    if type(shown) is HearthError and not isinstance(error, HTTPException):
        log.error("unexpected_error", exc_info=error)
    try:
        return await _answer(request, shown, error.status_code if isinstance(error, HTTPException) else shown.status)
    except FrontEndMissing:
        return await as_json(request, error)


def _is_person(request: Request) -> bool:
    accepts = request.headers.get("Accept", "*/*")
    return "text/html" in accepts or "*/*" in accepts or is_htmx(request)


async def _answer(request: Request, error: HearthError, status: int) -> Response:
    headers = {"Cache-Control": "no-store", "HX-Push-Url": "false"}
    wait_s = error.details.get("retry_after_s")
    if isinstance(wait_s, (int, float)):
        headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    if is_htmx(request) and not _is_visit(request):
        toast = Toast(redact(error.message), tone="danger", icon="octagon-x", detail=redact(hint_for_people(error)))
        return HTMLResponse(await toast_html(toast), status_code=status, headers=headers)
    successor = error.details.get("successor")
    context = ErrorPage(
        status=status,
        headline=_headline(error, status),
        message=redact(error.message),
        hint=redact(hint_for_people(error)),
        code=error.code,
        successor=successor if isinstance(successor, str) else None,
    )
    return await render_bare(request, services_of(request), context, status=status, headers=headers)


def _is_visit(request: Request) -> bool:
    """Tell whether the visitor follows a link, so that a page must come, or stays on the page with a form."""
    visits = request.headers.get("HX-Boosted") == "true" or request.headers.get("HX-Request-Type") == "full"
    return request.method == "GET" and visits


def _as_hearth_error(error: Exception) -> HearthError:
    if isinstance(error, HearthError):
        return error
    if isinstance(error, RequestValidationError):
        return InvalidForm("A field of the form cannot be used.")
    if isinstance(error, HTTPException):
        phrase = HTTPStatus(error.status_code).phrase
        if error.status_code == HTTPStatus.NOT_FOUND:
            return HearthError(
                "There is no page at this address.", hint="Check the address, or go on from the first page."
            )
        return HearthError(f"{phrase}.", hint="Go back and try again.")
    return HearthError("Hearth met an error that it did not expect.")


def _headline(error: HearthError, status: int) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return "Not found"
    if status == HTTPStatus.GONE:
        return "This preset was retired" if "successor" in error.details else "Gone"
    if status == HTTPStatus.FORBIDDEN:
        return "Not allowed"
    return "Something went wrong" if status >= 500 else "That did not work"
