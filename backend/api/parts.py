"""Build the doors of a feature when somebody first knocks at one of them.

Building a route costs a millisecond and some 50 kB, whether anybody ever uses it; nobody uses all of them, and a start
waits for none. A part is named by its module, which holds a ``router``, and by the addresses that lie below it.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from fastapi import FastAPI
from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound, Router
from starlette.types import Receive, Scope, Send

from backend.kit.imports import absent

Parts: TypeAlias = Mapping[str, tuple[str, ...]]

_building = threading.Lock()


class Part(BaseRoute):
    """Stand in the list of routes for those of a module, until they take its place.

    Args:
        router: Whose list it is.
        module: Is imported in a thread; its routes are matched in the order in which the parts were added.
        prefixes: No route of the module is outside of them.
    """

    def __init__(self, router: Router, module: str, prefixes: tuple[str, ...]) -> None:
        self._router = router
        self._module = module
        self._prefixes = prefixes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take whatever may be for one of the routes."""
        path: str = scope["path"]
        is_below = any(path == prefix or path.startswith(prefix.rstrip("/") + "/") for prefix in self._prefixes)
        return (Match.FULL if is_below else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:  # Any: as Starlette has it
        """Know no name: addresses are written out."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Build the routes and let the request be matched anew, among them too.

        Cancelled: the building goes on, for whoever comes next.
        """
        await asyncio.to_thread(self.build)
        await self._router.app(scope, receive, send)

    def build(self) -> None:
        """Put the routes in the place of this one; blocking for up to 0.1 s."""
        # FastAPI would load all of pydantic 1 to ask whether an annotation is a model of it.
        with _building, absent("pydantic.v1"):
            routes, present = self.routes(), self._router.routes
            if self in present:
                place = present.index(self)
                # A new list: the event loop may be on its way through the old one.
                self._router.routes = [*present[:place], *routes, *present[place + 1 :]]

    def routes(self) -> Sequence[BaseRoute]:
        """Return what this stands for; blocking."""
        return importlib.import_module(self._module).router.routes


def add_parts(app: FastAPI, parts: Parts) -> None:
    """Give *app* the routes of *parts*, after those that it has."""
    app.router.routes.extend(Part(app.router, module, prefixes) for module, prefixes in parts.items())


def every_route(app: FastAPI) -> Sequence[BaseRoute]:
    """Return all routes, built now where they were not; blocking."""
    for route in app.routes:
        if isinstance(route, Part):
            route.build()
    return app.routes
