"""Ask everybody who they are before anything else is read: what is not listed here as open is closed.

Covers the JSON interface and its documentation, including addresses that do not exist; pages and WebSockets ask by the
same rule (:meth:`backend.auth.Auth.identify`) in ``backend.web``.
"""

from __future__ import annotations

from typing import cast
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.api.errors import error_response
from backend.auth import AuthError, Credentials, NotSignedIn
from backend.bootstrap import Services

# Verify judges the request that a proxy describes to it, not its own.
OPEN = frozenset({"/api/health", "/api/ready", "/api/auth/login", "/api/auth/verify"})
_DOCUMENTATION = ("/docs", "/openapi.json")


class Guard:
    """Put the caller's identity into the request's state, or answer for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http" and _is_closed(scope["path"]):
            services = cast("Services", scope["state"]["services"])
            request = Credentials.from_scope(scope)
            try:
                scope["state"]["identity"] = await services.auth.identify(request)
            except AuthError as error:
                await _refusal(error, scope["path"], request)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_closed(path: str) -> bool:
    return path.startswith(("/api/", *_DOCUMENTATION)) and path not in OPEN


def _refusal(error: AuthError, path: str, request: Credentials) -> Response:
    is_page = path.startswith(_DOCUMENTATION) and "text/html" in request.headers.get("accept", "")
    if is_page and isinstance(error, NotSignedIn):
        return RedirectResponse(f"/login?next={quote(path, safe='/')}", status_code=303)
    return error_response(error)
