"""An open door on a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from backend.auth import Auth
from backend.database import Database
from tests.auth.clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    """The clock of waiting times."""
    return HandClock()


@pytest.fixture
def announced() -> list[str]:
    """Passwords that were shown to the owner."""
    return []


@pytest.fixture
async def open_auth(
    database: Database, tmp_path: Path, clock: HandClock, announced: list[str], anyio_backend: object
) -> AsyncIterator[Callable[..., Awaitable[Auth]]]:
    """Start auth on the test's database, as often as a test likes: each call is a new start."""
    opened: list[Auth] = []

    async def start(access_password: str | None = None, **options: Any) -> Auth:
        while opened:
            await opened.pop().close()
        auth = await Auth.open(
            database,
            tmp_path / "config",
            access_password=access_password,
            session_hours=options.pop("session_hours", 24),
            announce=announced.append,
            now_s=clock,
            **options,
        )
        opened.append(auth)
        return auth

    yield start
    while opened:
        await opened.pop().close()


@pytest.fixture
async def auth(open_auth: Callable[..., Awaitable[Auth]], password: str) -> Auth:
    """A door whose password is the fixture ``password``."""
    return await open_auth(password)
