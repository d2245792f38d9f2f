"""What can be wrong with a request in somebody else's protocol.

* CompatError
  * UnusableRequest      a field cannot be meant
  * NoSuchModel          nothing here has that name
  * NoPicture            the workflow made something else
  * JobFailed            the job ended without a result, for a reason of its own
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from backend.errors import JSON, HearthError


class CompatError(HearthError):
    """Something about a request that came through a foreign protocol."""

    code: ClassVar[str] = "compat_error"
    status: ClassVar[int] = 400


class UnusableRequest(CompatError):
    """A field of the request cannot be used; details: ``field``, where one is to blame."""

    code = "unusable_request"
    default_hint = "Correct the field and send the request again; docs/openai-images.md and docs/a1111.md list them."

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, details=None if field is None else {"field": field})


class NoSuchModel(CompatError):
    """No workflow, or no checkpoint, has the name that the request gives as model; details: ``field``."""

    code = "model_not_found"
    status = 404
    default_hint = "List the names with GET /v1/models, or leave the model out."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, details={"field": "model"})


class NoPicture(CompatError):
    """The workflow ran to its end, but what it made is no picture."""

    code = "no_picture"
    status = 502
    default_hint = "Choose a workflow that saves an image; other results are in the gallery."


class JobFailed(CompatError):
    """The job ended without a result; ``cause`` is the code of its own error, which is what clients are told."""

    code = "job_failed"
    status = 502
    default_hint = "The job's page shows every attempt; correct what it names, then try again."

    def __init__(self, cause: str, message: str, hint: str, details: Mapping[str, JSON]) -> None:
        super().__init__(message, hint=hint, details=details)
        self.cause = cause
