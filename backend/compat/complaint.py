"""What went wrong, in the words that every foreign protocol needs: an error of a request, or of a job that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from backend.compat.errors import JobFailed, UnusableRequest
from backend.errors import JSON, HearthError, every_error
from backend.kit.redact import redact
from backend.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error on its way out; nothing in it is secret. ``is_final``: the same request would fail again."""

    status: int
    code: str
    message: str
    hint: str
    details: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    is_final: bool = False

    @property
    def sentence(self) -> str:
        """Return what happened and what to do next."""
        return f"{self.message} {self.hint}".strip()

    @property
    def field(self) -> str | None:
        """Return the name of the field that is to blame."""
        named = self.details.get("field")
        if named is None and isinstance(fields := self.details.get("fields"), Mapping):
            named = next(iter(fields), None)
        return named if isinstance(named, str) else None

    @property
    def retry_after_s(self) -> int | None:
        """Return after how many whole seconds trying again makes sense."""
        wait = self.details.get("retry_after_s")
        return max(1, round(wait)) if isinstance(wait, (int, float)) else None


def complaint_of(error: Exception) -> Complaint:
    """Put *error* into words; one that nobody expected is logged and says nothing of itself."""
    known = _named(error)
    if isinstance(known, JobFailed):
        return _complaint(_status_of(known.cause), known.cause, known, is_final=True)
    return _complaint(known.status, known.code, known)


def invalid(error: ValidationError | RequestValidationError) -> UnusableRequest:
    """Name the first field that is wrong; the refused value stays out of it."""
    first: Mapping[str, Any] = error.errors()[0]  # Any: pydantic's report
    place = ".".join(str(part) for part in first.get("loc", ()) if part not in ("body", "query", "path"))
    reason = str(first.get("msg", "it is not valid")).removeprefix("Value error, ").rstrip(".")
    return UnusableRequest(f"{place or 'The body'}: {reason}.", field=place or None)


def _complaint(status: int, code: str, error: HearthError, *, is_final: bool = False) -> Complaint:
    return Complaint(status, code, redact(error.message), redact(error.hint), error.details, is_final)


def _named(error: Exception) -> HearthError:
    if isinstance(error, HearthError):
        return error
    if isinstance(error, (RequestValidationError, ValidationError)):
        return invalid(error)
    if isinstance(error, HTTPException):
        return UnusableRequest(f"{str(error.detail).rstrip('.')}.")
    log.error("unexpected_error", exc_info=error)
    return HearthError("Hearth met an error that it did not expect.")


def _status_of(code: str) -> int:
    return next((kind.status for kind in every_error() if kind.code == code), 502)
