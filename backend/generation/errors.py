"""Why a job is refused, or ended without a result. What ComfyUI itself reports keeps its own code (``backend.comfyui``).

* GenerationError
  * GenerationNotFound, IllegalGenerationState      there is no such job, or it cannot do that now
  * InvalidGeneration                               the request cannot be meant
  * IdempotencyConflict                             the key belongs to another request
  * QueueFull                                       too much waits already
  * NoBackend, BackendNotFound, BackendsUnknown     nothing to run on, or nothing known about it
  * Unfulfilled                                     tried as often as allowed
  * UploadMissing                                   a file that an input names is gone
  * GenerationNotStored                             the database refuses a change
"""

from __future__ import annotations

from backend.errors import HearthError


class GenerationError(HearthError):
    """Something about generating."""

    code = "generation_error"
    status = 502


class GenerationNotFound(GenerationError):
    """There is no such job, or it is somebody else's."""

    code = "generation_not_found"
    status = 404
    default_hint = "List your jobs with GET /api/generations."


class IllegalGenerationState(GenerationError):
    """The job cannot do that in the state it is in; details: ``state``."""

    code = "illegal_generation_state"
    status = 409
    default_hint = "Look at the job's state; it may have changed a moment ago."


class InvalidGeneration(GenerationError):
    """The request names nothing to run, or something in it cannot be meant."""

    code = "invalid_generation"
    status = 422
    default_hint = "Send exactly one of workflow_id (with inputs), prompt and workflow."


class IdempotencyConflict(GenerationError):
    """The Idempotency-Key was used before for another request; details: ``job_id``."""

    code = "idempotency_conflict"
    status = 409
    default_hint = "Use a new key for a new request."


class QueueFull(GenerationError):
    """As many jobs wait as may; details: ``limit``, ``waiting``, ``retry_after_s``."""

    code = "queue_full"
    status = 429
    default_hint = "Wait until some of the jobs have run, or raise MAX_QUEUE_DEPTH or MAX_QUEUE_DEPTH_PER_USER."


class NoBackend(GenerationError):
    """No ComfyUI is configured."""

    code = "no_backend"
    status = 503
    default_hint = "Set COMFYUI_URL to a running ComfyUI, or COMFYUI_DIR to a checkout that Hearth shall run."


class BackendNotFound(GenerationError):
    """There is no such backend."""

    code = "backend_not_found"
    status = 404
    default_hint = "List them with GET /api/backends."


class BackendsUnknown(GenerationError):
    """No ComfyUI has told its nodes yet, so the workflow cannot be made ready; details: ``retry_after_s``."""

    code = "backends_unknown"
    status = 503
    default_hint = "ComfyUI is starting or cannot be reached: try again in a moment."


class Unfulfilled(GenerationError):
    """Every attempt was lost on the way; details: ``attempts``."""

    code = "attempts_exhausted"
    status = 502
    default_hint = "Look at ComfyUI's log: it may be killed for lack of memory. Then retry the job."


class GenerationNotStored(GenerationError):
    """The database refused a change; nothing was changed."""

    code = "generation_not_stored"
    status = 503
    default_hint = "Check that the workspace is writable and not full, then try again."


class UploadMissing(GenerationError):
    """An input names a file that was sent to Hearth and is not there any more."""

    code = "upload_missing"
    status = 422
    default_hint = "Send the file again and use the name that is answered."
