"""Small writes that nobody waits for, such as "last used"; losing one costs nothing but its news."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from backend.errors import HearthError
from backend.logs import get_logger

log = get_logger(__name__)


class Errands:
    """Hold running errands so that none is collected half-way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, errand: Coroutine[None, None, None]) -> None:
        """Run *errand* beside everything else."""
        task = asyncio.create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Wait for what still runs."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            reason = error.message if isinstance(error, HearthError) else str(error)
            log.warning("auth_note_not_written", reason=reason)
