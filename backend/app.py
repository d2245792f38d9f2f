"""Put the application together: middleware, routers, error handlers, static files and the lifespan that owns everything."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypedDict

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.bootstrap import Services, run_services
from backend.config import Settings, load_settings
from backend.errors import HearthError
from backend.kit.imports import absent, unbuilt
from backend.logs import configure_logs, get_logger
from backend.version import VERSION

with unbuilt():  # FastAPI brings forty models of the OpenAPI document, which few people ever ask for
    from fastapi import FastAPI

# FastAPI asks of each annotation whether it is a model of pydantic 1, and would load the whole of that for a "no".
with absent("pydantic.v1"):
    from backend import api, compat, web
    from backend.api.documentation import install_documentation
    from backend.api.errors import install_error_handlers
    from backend.api.middleware import install_middleware
    from backend.api.parts import add_parts

log = get_logger(__name__)

DESCRIPTION = """Presets, downloads and everything else of Hearth.

Sign in with `POST /api/auth/login` and send `Authorization: Bearer …`, or make an API key and send it the same way.
Every error has one shape: `{"error": {"code", "message", "hint"}}`; `docs/errors.md` lists the codes.
"""


class State(TypedDict):
    """What the lifespan hands to every request."""

    services: Services
    presence: compat.Presence


def create_app(
    settings: Settings | None = None,
    *,
    announce: Callable[[str], None] | None = None,
    refuse: Callable[[HearthError], None] | None = None,
) -> FastAPI:
    """Build the application; nothing is opened until its lifespan begins.

    Args:
        settings: Left out, the environment is read.
        announce: Where the generated password is shown, once; standard error by default.
        refuse: Told why the lifespan cannot begin; left out, the server logs it.
    Raises:
        SettingsError: A variable of the environment cannot be used.
    """
    warnings: list[str] = []
    if settings is None:
        settings, warnings = load_settings(os.environ)
    configure_logs(settings.log_level, settings.log_format)
    for warning in warnings:
        log.warning("setting_conflict", reason=warning)
    chosen = settings

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[State]:
        async with run_services(chosen, announce=announce) as services, compat.Presence() as presence:
            yield State(services=services, presence=presence)

    app = FastAPI(title="Hearth", version=VERSION, description=DESCRIPTION, lifespan=lifespan, openapi_url=None)
    install_error_handlers(app)
    install_middleware(app, settings)
    app.router.routes.extend(api.ROUTES)
    install_documentation(app)
    add_parts(app, {**api.PARTS, **compat.PARTS, **web.install(app, settings)})
    app.add_middleware(Opening, refuse=refuse)
    return app


class Opening:
    """Let a start that cannot succeed end in one sentence; Starlette would tell the server a traceback.

    Only what Hearth raises on purpose is shortened. Plain ASGI, outermost.
    """

    def __init__(self, app: ASGIApp, refuse: Callable[[HearthError], None] | None) -> None:
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but the reason of a failed start."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        refused = False

        async def tell(message: Message) -> None:
            nonlocal refused
            reason = sys.exception()
            if message["type"] == "lifespan.startup.failed" and isinstance(reason, HearthError):
                refused = True
                if self._refuse is None:
                    message["message"] = f"Hearth cannot start: {reason.message} {reason.hint}"
                else:
                    message["message"] = ""
                    self._refuse(reason)
            await send(message)

        try:
            await self._app(scope, receive, tell)
        except HearthError:
            if not refused:
                raise
