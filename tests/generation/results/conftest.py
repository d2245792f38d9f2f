"""Results on an empty workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from backend.database import Database
from backend.generation.results import Results
from tests.generation.results.rig import House, Shelf

HASH = "ab" * 32


@pytest.fixture
async def open_house(
    workspace: Path, database: Database, anyio_backend: object
) -> AsyncIterator[Callable[..., Awaitable[House]]]:
    """Open results on the test's workspace, as often as wanted; what was opened before is closed."""
    opened: list[Results] = []

    async def open_results(**settings: Any) -> House:
        while opened:
            await opened.pop().close()
        results = await Results.open(
            workspace / "outputs",
            database,
            hash_of=lambda category, name: HASH if (category, name) == ("checkpoints", "sd/tiny.safetensors") else None,
            **settings,
        )
        opened.append(results)
        return House(results, workspace / "outputs", database, Shelf())

    yield open_results
    for results in opened:
        await results.close()


@pytest.fixture
async def house(open_house: Callable[..., Awaitable[House]]) -> House:
    """Results that are kept for ever."""
    return await open_house()
