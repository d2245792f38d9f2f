"""A route of a foreign protocol: the caller is known before the body is read, and errors leave in that protocol's shape.

Each protocol makes its own class with :func:`door`; the scope stands in ``openapi_extra["x-scope"]``, where the reference
reads it too.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from backend.auth import Scope
from backend.compat.complaint import Complaint, complaint_of
from backend.compat.identity import admit
from backend.compat.reason import give_reason
from backend.logs import get_logger

log = get_logger(__name__)

Tell: TypeAlias = Callable[[Complaint], Response]
Handler: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]  # Any: what a coroutine is sent, never anything

GENERATES = {"x-scope": Scope.GENERATE.value}
READS = {"x-scope": Scope.READ.value}


def door(tell: Tell) -> type[APIRoute]:
    """Return the class of routes whose errors are told by *tell*."""

    class Door(APIRoute):
        """One address of the protocol."""

        def get_route_handler(self) -> Handler:
            """Put sign-in and errors around the endpoint."""
            answer = super().get_route_handler()
            scope = Scope((self.openapi_extra or GENERATES)["x-scope"])

            async def handle(request: Request) -> Response:
                try:
                    await admit(request, scope)
                    told = await answer(request)
                except ClientDisconnect:
                    raise
                except Exception as error:  # noqa: BLE001 -- the protocol has one shape for every failure
                    told = refusal(request, error, tell)
                told.headers.setdefault("Cache-Control", "no-store")
                return told

            return handle

    return Door


def refusal(request: Request, error: Exception, tell: Tell) -> Response:
    """Shape *error* for the client, with a sentence for people as the reason phrase."""
    complaint = complaint_of(error)
    if complaint.status >= 500:
        log.error("request_failed", code=complaint.code, reason=complaint.message)
    give_reason(request.scope, complaint.message)
    answer = tell(complaint)
    if complaint.retry_after_s is not None:
        answer.headers["Retry-After"] = str(complaint.retry_after_s)
    if complaint.status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="Hearth"'
    return answer
