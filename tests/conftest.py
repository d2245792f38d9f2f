"""What every test may ask for: a clean environment, an application, clients, a live server, a model host."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import httpx2
import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from fastapi import FastAPI
from hypothesis import settings

from backend.database import Database
from tests import secret_watch
from tests.fakes.fixtures import *  # noqa: F403 -- every fixture of the fakes
from tests.live import LiveServer

_KEEP = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "HEARTH_BROWSER", "CI", "COVERAGE_PROCESS_START"}
_log_queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
_log_listeners: list[QueueListener] = []

# How long an example takes is the machine's affair: beside other work, 200 ms pass without anything being wrong.
settings.register_profile("hearth", deadline=None)
settings.load_profile("hearth")


@pytest.fixture(autouse=True)
def clean_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protect tests from the developer's shell: tokens, proxies and settings of the outside stay outside."""
    for name in set(os.environ) - _KEEP:
        if not name.startswith(("PYTEST_", "PYTHON")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[BlockBuster]:
    """Make a blocking call of our own code on the event loop an error."""
    with blockbuster_ctx("backend") as blockbuster:
        yield blockbuster


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Run async tests on asyncio, as the product does."""
    return "asyncio", {}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace."""
    path = tmp_path / "workspace"
    path.mkdir()
    return path


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An open, migrated database."""
    opened = Database.open(tmp_path / "database" / "hearth.db")
    yield opened
    opened.close()


@pytest.fixture
def password() -> str:
    """The access password of the applications that a test makes."""
    return secret_watch.secret("access password")


@pytest.fixture
def make_app(workspace: Path, password: str) -> Callable[..., FastAPI]:
    """Build applications on the test's workspace; keyword arguments are settings by field name."""
    from backend.app import create_app  # here and not in `make`: imports read files, which the loop must not
    from backend.config import load_settings

    def make(**settings: Any) -> FastAPI:
        values = {
            "workspace": workspace,
            "access_password": password,
            "disk_reserve": 0,
            "log_level": "debug",
            **settings,
        }
        app = create_app(load_settings({}, **values)[0])
        _copy_logs_to_file()
        return app

    return make


@pytest.fixture
async def app(make_app: Callable[..., FastAPI], anyio_backend: object) -> AsyncIterator[FastAPI]:
    """An application whose lifespan runs."""
    async with AsyncExitStack() as stack:
        application = make_app()
        await stack.enter_async_context(running(application))
        yield application


def running(app: FastAPI) -> Any:
    """Run the lifespan of *app* as a server would; its state goes to every request of :func:`client_of`."""
    return _Running(app)


class _Running:
    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._context = app.router.lifespan_context(app)

    async def __aenter__(self) -> FastAPI:
        self.app.state.lifespan_state = await self._context.__aenter__()
        return self.app

    async def __aexit__(self, *reason: object) -> None:
        await self._context.__aexit__(*reason)


def client_of(app: FastAPI, **options: Any) -> httpx2.AsyncClient:
    """Return a client that speaks to *app* in this process, with the state that its lifespan yielded."""
    state = app.state.lifespan_state

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    transport = httpx2.ASGITransport(with_state, client=("127.0.0.1", 12345), raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://hearth.test", **options)


@pytest.fixture
async def anon_client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that nobody has let in."""
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def client(app: FastAPI, password: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that is signed in by bearer token."""
    async with client_of(app) as client:
        answer = await client.post("/api/auth/login", json={"password": password})
        token = secret_watch.watch("session token", answer.json()["access_token"])
        client.cookies.clear()
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture
def make_live_server(workspace: Path) -> Iterator[Callable[..., LiveServer]]:
    """Start real servers; keyword arguments are environment variables. They end with the test."""
    servers: list[LiveServer] = []

    def make(**environ: str) -> LiveServer:
        server = LiveServer(workspace, **environ)
        servers.append(server)
        return server.start()

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def live_server(make_live_server: Callable[..., LiveServer]) -> LiveServer:
    """A real server in a process of its own."""
    return make_live_server()


def _copy_logs_to_file() -> None:
    """Write what the application logs into the session's folder too, where the secret scan reads it.

    A thread writes: a file that is written on the event loop counts as a blocking call, and the line would be lost.
    """
    if not _log_listeners:
        file = logging.FileHandler(secret_watch.LOGS / "applications.log")
        _log_listeners.append(QueueListener(_log_queue, file))
        _log_listeners[0].start()
    root = logging.getLogger()
    if not any(isinstance(handler, QueueHandler) for handler in root.handlers):
        copy = QueueHandler(_log_queue)
        copy.setFormatter(root.handlers[0].formatter)
        root.addHandler(copy)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a secret of any test stands in any log."""
    for listener in _log_listeners:
        listener.stop()
        for handler in listener.handlers:
            handler.close()
    found = secret_watch.leaks()
    if found:
        print("\nSECRETS IN LOGS:\n  " + "\n  ".join(found))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
