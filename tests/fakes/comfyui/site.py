"""One life of the server: everything that is gone when it ends, and the application that serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.fakes.comfyui.about_routes import AboutRoutes
from tests.fakes.comfyui.catalogue import Catalogue
from tests.fakes.comfyui.file_routes import FileRoutes
from tests.fakes.comfyui.queue import PromptQueue
from tests.fakes.comfyui.routes import PromptRoutes
from tests.fakes.comfyui.sockets import Sockets
from tests.fakes.comfyui.traps import Traps
from tests.fakes.comfyui.worker import Worker

_TROUBLE = "500 Internal Server Error\n\nServer got itself in trouble"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Seen:
    """A request that arrived; names of headers are lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]


class Site:
    """What one process of the real server holds in memory."""

    def __init__(self, base: Path, version: str, traps: Traps, catalogue: Catalogue, requests: list[Seen]) -> None:
        self.base = base
        self.version = version
        self.is_new = tuple(int(part) for part in version.split(".")[:2]) >= (0, 4)
        self.traps = traps
        self.catalogue = catalogue
        self.requests = requests
        self.prompts: list[dict[str, Any]] = []
        self.settings: dict[str, Any] = {}
        self.userdata: dict[str, bytes] = {}
        self.max_upload_bytes = 104_857_600
        self.features = {"supports_preview_metadata": True, "max_upload_size": self.max_upload_bytes}
        if self.is_new:
            self.features |= {
                "extension": {"manager": {"supports_v4": True}},
                "node_replacements": True,
                "assets": False,
            }
        self.sockets = Sockets(self.features)
        self.queue = PromptQueue(self.sockets)
        self.worker = Worker(base, self.queue, self.sockets, catalogue, traps)
        self.working: asyncio.Task[None] | None = None
        self._publishing: asyncio.Task[None] | None = None

    def application(self) -> ASGIApp:
        about = AboutRoutes(self)
        table = [*PromptRoutes(self).table(), *FileRoutes(self).table(), *about.table()]
        routes: list[BaseRoute] = [
            Route(prefix + path, self._guarded(handler), methods=[method])
            for method, path, handler in table
            for prefix in ("", "/api")
            if not (prefix and path.startswith("/internal"))
        ]
        if self.is_new:
            routes += [
                Route(path, self._guarded(handler), methods=[method]) for method, path, handler in about.jobs_table()
            ]
        routes += [WebSocketRoute("/ws", self.sockets.serve), WebSocketRoute("/api/ws", self.sockets.serve)]
        return _OriginCheck(Starlette(routes=routes, exception_handlers={404: _missing}), self)

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Execute and publish on *loop*, until its end."""
        self.working = loop.create_task(self.worker.run())
        self._publishing = loop.create_task(self.sockets.publish())

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            if self.traps.fail_next:
                status, *rest = self.traps.fail_next
                self.traps.fail_next = tuple(rest)
                return PlainTextResponse(_TROUBLE, status)
            try:
                return await handler(request)
            except Exception:
                return PlainTextResponse(_TROUBLE, 500)

        return guarded


class _OriginCheck:
    """Refuse what a foreign page of a browser on the same machine asks."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode()
        self._site.requests.append(Seen(scope.get("method", "WS"), scope["path"], query, headers))
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin and host.rpartition(":")[0] in _LOOPBACK and urlsplit(origin).netloc != host:
            await _refuse(scope, receive, send)
            return
        # The path as it was sent: "%2F" is not a slash to the real server's router.
        raw = scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")
        await self._app({**scope, "path": raw or scope["path"]}, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    await Response(status_code=403)(scope, receive, send)


async def _missing(_: Request, _error: Exception) -> Response:
    return Response(status_code=404)
