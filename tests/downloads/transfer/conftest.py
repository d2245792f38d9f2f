"""The bench of the transfer tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.downloads.transfer.workbench import Workbench


@pytest.fixture
async def bench(tmp_path: Path, anyio_backend: object) -> AsyncIterator[Workbench]:
    """A running engine that retries quickly and gives a silent connection up after a second."""
    async with Workbench(tmp_path) as opened:
        yield opened
