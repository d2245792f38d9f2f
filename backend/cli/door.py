"""Reach Hearth: over HTTP when it runs, inside this process when it does not."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import quote

from backend.config import Settings
from backend.errors import JSON, HearthError
from backend.kit.running import Runtime, read_runtime

if TYPE_CHECKING:
    import httpx2

_TIMEOUT_S = 30
_NAMELESS = {"message": "Hearth refused without saying why."}


class Unreachable(HearthError):
    """The Hearth that holds the workspace does not answer."""

    code = "unreachable"
    status = 503
    default_hint = "Check that it is healthy (curl its /api/health), or stop it and try again."


class Refused(HearthError):
    """Hearth answered with an error; its own code, message and hint are passed on."""

    code = "refused"
    status = 400

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message", "")), hint=str(error.get("hint", "")), details=error.get("details"))
        self.remote_code = str(error.get("code", self.code))

    def as_dict(self) -> dict[str, JSON]:
        """Shape the error as Hearth sent it."""
        return {**super().as_dict(), "code": self.remote_code}


class _Send(Protocol):
    def __call__(self, method: str, path: str, **options: Any) -> httpx2.Response: ...


@dataclass(frozen=True, slots=True)
class Door:
    """One way in. ``is_running`` tells whether somebody else keeps Hearth running after this command."""

    send: _Send
    is_running: bool

    def call(self, method: str, path: str, *names: str, params: Mapping[str, Any] | None = None) -> Any:
        """Send one request and return the decoded answer (``None`` for an empty one).

        Args:
            names: Fill the ``{}`` of *path*, whatever characters they hold.
        Raises:
            Refused: Hearth answered with an error.
            Unreachable: It does not answer any more.
        """
        chosen = {name: value for name, value in (params or {}).items() if value is not None}
        answer = self.send(method, path.format(*(quote(name, safe="") for name in names)), params=chosen)
        content = _decoded(answer.content)
        if answer.status_code >= 400:
            raise Refused(cast("dict[str, Any]", content).get("error", _NAMELESS))
        return content


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        raise Unreachable("What answers there is not Hearth.") from None


@contextlib.contextmanager
def open_door(settings: Settings) -> Generator[Door]:
    """Find the running Hearth of this workspace, or bring one up inside this process.

    Raises:
        Unreachable: Another process holds the workspace but does not answer.
    """
    runtime = read_runtime(settings.config_dir)
    if runtime is None:
        with _own_hearth(settings) as door:
            yield door
        return
    with _running_hearth(runtime) as door:
        yield door


@contextlib.contextmanager
def _running_hearth(runtime: Runtime) -> Generator[Door]:
    import httpx2

    client = httpx2.Client(
        base_url=runtime.url, headers={"Authorization": f"Bearer {runtime.token}"}, timeout=_TIMEOUT_S, trust_env=False
    )

    def send(method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            return client.request(method, path, **options)
        except httpx2.HTTPError:
            raise Unreachable(
                f"Hearth (process {runtime.pid}) holds this workspace but does not answer at {runtime.url}."
            ) from None

    with client:
        yield Door(send, is_running=True)


@contextlib.contextmanager
def _own_hearth(settings: Settings) -> Generator[Door]:
    import httpx2
    from anyio.from_thread import start_blocking_portal

    from backend.app import create_app

    # Logs of this short life would drown the command's own output; errors still come through.
    quiet = settings.model_copy(update={"log_level": "error"}) if "LOG_LEVEL" not in os.environ else settings
    app = create_app(quiet)
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)) as state,
    ):
        services = cast("Any", state)["services"]

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            scope["state"] = dict(cast("Any", state))
            await app(scope, receive, send)

        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(with_state),
            base_url="http://localhost",
            headers={"Authorization": f"Bearer {services.auth.local_token()}"},
            timeout=_TIMEOUT_S,
        )

        def send(method: str, path: str, **options: Any) -> httpx2.Response:
            return portal.call(lambda: client.request(method, path, **options))

        try:
            yield Door(send, is_running=False)
        finally:
            portal.call(client.aclose)
