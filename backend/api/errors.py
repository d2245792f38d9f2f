"""Turn every error into the one shape, in one place: ``{"error": {"code", "message", "hint"[, "details"]}}``."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from backend.errors import JSON, HearthError
from backend.kit.redact import redact
from backend.logs import get_logger

log = get_logger(__name__)


class InvalidRequest(HearthError):
    """The request does not have the shape that the endpoint asks for; nothing was changed."""

    code = "invalid_request"
    status = 422
    default_hint = "Compare the request with /docs."


class NoSuchPage(HearthError):
    """Nothing lives at this address."""

    code = "no_such_page"
    status = 404
    default_hint = "Check the address; /docs lists every endpoint."


class MethodNotAllowed(HearthError):
    """The address exists, but not with this method."""

    code = "method_not_allowed"
    status = 405
    default_hint = "Use one of the methods in the Allow header."


class RequestRefused(HearthError):
    """The request was refused before it reached its endpoint."""

    code = "request_refused"
    status = 400
    default_hint = "Check the request."


class BodyTooLarge(HearthError):
    """The request carries more than any endpoint reads; nothing was changed."""

    code = "body_too_large"
    status = 413
    default_hint = "Send less than 1 MiB."


class HostNotAllowed(HearthError):
    """The request names a host that this Hearth does not answer to."""

    code = "host_not_allowed"
    status = 400
    default_hint = "Add the name to ALLOWED_HOSTS, or leave that variable empty."


_BY_STATUS: dict[int, type[HearthError]] = {404: NoSuchPage, 405: MethodNotAllowed, 413: BodyTooLarge}
_CHALLENGE = 'Bearer realm="Hearth"'  # RFC 9110, section 11.6.1: a 401 names the way in


def error_response(
    error: HearthError, *, status: int | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Shape *error* as JSON; ``details.retry_after_s`` also becomes the Retry-After header."""
    extra = dict(headers or {})
    if error.status == 401:
        extra["WWW-Authenticate"] = _CHALLENGE
    retry_after = error.details.get("retry_after_s")
    if isinstance(retry_after, (int, float)):
        extra["Retry-After"] = str(max(1, round(retry_after)))
    body = {
        "error": {key: redact(value) if isinstance(value, str) else value for key, value in error.as_dict().items()}
    }
    return JSONResponse(body, status_code=status or error.status, headers=extra)


def install_error_handlers(app: FastAPI) -> None:
    """Register the handlers on *app*."""
    app.add_exception_handler(HearthError, _hearth_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _unexpected)


async def _hearth_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HearthError)
    if error.status >= 500:
        log.error("request_failed", code=error.code, reason=error.message)
    return error_response(error)


async def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems: list[JSON] = [_problem(item) for item in error.errors()]
    first = problems[0] if problems else None
    summary = f"{first['field']}: {first['reason']}" if isinstance(first, dict) else "it cannot be read"
    return error_response(InvalidRequest(f"The request is not valid: {summary}.", details={"problems": problems}))


def _problem(item: dict[str, Any]) -> dict[str, JSON]:
    """Name the field and the reason; the refused value stays out, it may be a password."""
    place = [str(part) for part in item.get("loc", ()) if part not in ("body", "query", "path", "header")]
    reason = str(item.get("msg", "it is not valid")).removeprefix("Value error, ")
    return {"field": ".".join(place) or "body", "reason": reason.rstrip(".")}


async def _http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = _BY_STATUS.get(error.status_code, RequestRefused)
    reason = HTTPStatus(error.status_code).phrase if not error.detail else str(error.detail)
    return error_response(kind(f"{reason}."), status=error.status_code, headers=dict(error.headers or {}))


async def _unexpected(_request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected_error", exc_info=error)
    return error_response(HearthError("Hearth met an error that it did not expect."))
