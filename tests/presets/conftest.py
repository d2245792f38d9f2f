"""Fixtures of the preset tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.database import Database
from backend.presets import PresetManager
from tests.presets.shelf import Shelf


@pytest.fixture
def shelf(workspace: Path, database: Database) -> Shelf:
    """A workspace without any preset yet."""
    return Shelf(workspace, database)


@pytest.fixture
async def manager(shelf: Shelf) -> AsyncIterator[PresetManager]:
    """A started manager on what the test's own fixtures have shipped."""
    made = shelf.manager()
    await made.start()
    yield made
    await made.close()
