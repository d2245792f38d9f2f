"""What each caller of A1111's protocol has running and has chosen: that protocol has one user, so each gets their own.

Kept in memory: requests of this protocol end with the process that answers them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import Request

from backend.compat.desk import Preview, Progress, Update
from backend.generation import Owner

_MAX_CALLERS = 1000  # of those who chose a model; the one who asked longest ago is forgotten


@dataclass(slots=True)
class Run:
    """A job that a request waits for."""

    job_id: str
    count: int
    steps: int
    started_at: str
    progress: Progress | None = None
    preview: bytes | None = field(default=None, repr=False)
    interrupted: bool = False

    def hear(self, update: Update) -> None:
        """Take in how far it has come."""
        if isinstance(update, Progress):
            self.progress = update
        elif isinstance(update, Preview):
            self.preview = update.data


class Desks:
    """Runs and choices of every caller, by their id."""

    def __init__(self) -> None:
        self._runs: dict[str, list[Run]] = {}
        self._checkpoints: OrderedDict[str, str] = OrderedDict()

    @classmethod
    def of(cls, request: Request) -> Desks:
        """Return those of the application that answers *request*."""
        state = request.app.state
        if not hasattr(state, "sdapi"):
            state.sdapi = cls()
        return state.sdapi

    @contextmanager
    def running(self, owner: Owner, run: Run) -> Generator[Run]:
        """Show *run* to its caller while the block lasts."""
        runs = self._runs.setdefault(owner.id, [])
        runs.append(run)
        try:
            yield run
        finally:
            runs.remove(run)
            if not runs:
                self._runs.pop(owner.id, None)

    def runs(self, owner: Owner) -> list[Run]:
        """List what *owner* waits for, oldest first."""
        return list(self._runs.get(owner.id, ()))

    def choose(self, owner: Owner, checkpoint: str) -> None:
        """Use *checkpoint* for further requests of *owner*."""
        self._checkpoints[owner.id] = checkpoint
        self._checkpoints.move_to_end(owner.id)
        if len(self._checkpoints) > _MAX_CALLERS:
            self._checkpoints.popitem(last=False)

    def chosen(self, owner: Owner) -> str | None:
        """Return what *owner* chose."""
        return self._checkpoints.get(owner.id)
