"""Every request below /comfyui: who asks comes first, then whether they may, then who answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from backend.auth import NotSignedIn, ScopeMissing
from backend.auth import Scope as Right
from backend.compat.comfyui.address import PREFIX, Address
from backend.compat.comfyui.errors import ClosedRoute, NoSuchRoute, tell
from backend.compat.comfyui.jobs import get_job, get_jobs
from backend.compat.comfyui.passing import pass_on
from backend.compat.comfyui.prompts import post_prompt
from backend.compat.comfyui.steering import (
    cancel_job,
    get_history,
    get_prompt,
    get_queue,
    get_record,
    post_free,
    post_history,
    post_interrupt,
    post_queue,
)
from backend.compat.comfyui.uploads import post_image, post_mask
from backend.compat.comfyui.views import get_view
from backend.compat.door import refusal
from backend.compat.identity import admit

Handler = Callable[..., Awaitable[Response]]

_ANSWERED: Mapping[tuple[str, str], Handler] = {
    ("GET", "/prompt"): get_prompt,
    ("POST", "/prompt"): post_prompt,
    ("GET", "/queue"): get_queue,
    ("POST", "/queue"): post_queue,
    ("GET", "/history"): get_history,
    ("POST", "/history"): post_history,
    ("POST", "/interrupt"): post_interrupt,
    ("POST", "/free"): post_free,
    ("GET", "/view"): get_view,
    ("POST", "/upload/image"): post_image,
    ("POST", "/upload/mask"): post_mask,
    ("GET", "/api/jobs"): get_jobs,
}
_WITH_ID: tuple[tuple[str, re.Pattern[str], Handler], ...] = (
    ("GET", re.compile(r"/history/([^/]+)"), get_record),
    ("GET", re.compile(r"/api/jobs/([^/]+)"), get_job),
    ("POST", re.compile(r"/api/jobs/([^/]+)/cancel"), cancel_job),
)
# Below these everything is Hearth's to answer; what it does not answer is not there.
_OURS = re.compile(r"/(prompt|queue|history|interrupt|free|view|ws|upload|api/jobs)(/.*)?")


class Entry:
    """The application behind the one route."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 -- clients know one shape for every failure
            if _is_visit(request) and isinstance(error, NotSignedIn):
                here = scope["path"] + (f"?{request.url.query}" if request.url.query else "")
                answer = RedirectResponse(f"/login?next={quote(here, safe='/')}", 303)
            else:
                answer = refusal(request, error, tell)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        address = address_of(request.scope)
        await admit_with_token(request, address, Right.READ)
        if address.is_closed:
            raise ClosedRoute(f"{PREFIX}{address.path[:200]} is closed.")
        _check(request, address.scope(request.method))
        if request.scope["path"] == PREFIX:
            return RedirectResponse(f"{PREFIX}/", 307)
        method = "GET" if request.method == "HEAD" else request.method
        handler = _ANSWERED.get((method, address.path))
        if handler is not None:
            return await handler(request)
        for wanted, pattern, handler in _WITH_ID:
            found = pattern.fullmatch(address.path)
            if wanted == method and found is not None:
                return await handler(request, unquote(found[1]))
        if _OURS.fullmatch(address.path):
            raise NoSuchRoute(f"There is no {request.method} {PREFIX}{address.path[:200]}.")
        return await pass_on(request, address)


def address_of(scope: Mapping[str, Any]) -> Address:
    """Return the address of a request or a handshake."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    return Address.of(raw.partition(b"?")[0], scope.get("query_string", b""))


async def admit_with_token(connection: HTTPConnection, address: Address, right: Right) -> None:
    """Tell who asks; /view and /ws take a token in the address, where programs cannot send a header.

    Raises:
        AuthError: They may not come in.
    """
    token = connection.query_params.get("token") if address.path in ("/view", "/ws") else None
    asking = Request({**connection.scope, "type": "http", "method": connection.scope.get("method", "GET")})
    if connection.scope["type"] == "websocket":
        asking.scope["type"] = "websocket"
    if token and "authorization" not in connection.headers and "x-api-key" not in connection.headers:
        asking.scope["headers"] = [*connection.scope["headers"], (b"authorization", f"Bearer {token}".encode())]
    who = await admit(asking, right)
    connection.state.identity = who


def _check(request: Request, needed: Right) -> None:
    who = request.state.identity
    if not who.scope.includes(needed):
        raise ScopeMissing(
            f"This needs the scope '{needed}', and {who.name!r} has '{who.scope}'.",
            details={"needs": needed.value, "has": who.scope.value},
        )


def _is_visit(request: Request) -> bool:
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")
