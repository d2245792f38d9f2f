"""OpenAI's shape of errors, with statuses and codes by which its clients decide what to raise and whether to try again."""

from __future__ import annotations

from starlette.responses import JSONResponse

from backend.compat.complaint import Complaint
from backend.errors import JSON

_STATUS = {422: 400, 405: 400}
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


def error_object(complaint: Complaint) -> dict[str, JSON]:
    """Return the value of ``error``; ``hint`` is Hearth's own addition, and part of ``message`` too."""
    return {
        "message": complaint.sentence,
        "type": _type(status_of(complaint)),
        "param": complaint.field,
        "code": _CODES.get(complaint.status, complaint.code),
        "hint": complaint.hint,
    }


def status_of(complaint: Complaint) -> int:
    """Return the status that OpenAI's clients know."""
    return _STATUS.get(complaint.status, complaint.status)


def tell(complaint: Complaint) -> JSONResponse:
    """Answer *complaint*."""
    answer = JSONResponse({"error": error_object(complaint)}, status_of(complaint))
    if complaint.is_final:
        # Their client runs everything above 499 twice more by itself: minutes of work that would fail as before.
        answer.headers["x-should-retry"] = "false"
    return answer


def _type(status: int) -> str:
    return _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
