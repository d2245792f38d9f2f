"""What a log can be asked for, wherever its lines are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from backend.system.logs.entry import Entry


class LogReader(Protocol):
    """A place in a log from which one goes on reading; blocking, for one thread at a time."""

    def read(self) -> list[Entry]:
        """Return what has been written since, at most some hundred lines at once; empty when nothing has."""
        ...

    def close(self) -> None:
        """Let go of the log."""
        ...


class LogSource(Protocol):
    """The log of one service; every method blocks."""

    def tail(self, count: int) -> list[Entry]:
        """Return the last *count* lines, oldest first."""
        ...

    def follow(self, count: int) -> tuple[list[Entry], LogReader]:
        """Return the last *count* lines, and a reader that goes on right after them."""
        ...

    def whole(self) -> Iterator[bytes]:
        """Yield everything that is kept, oldest first, as UTF-8 text in pieces of bounded size."""
        ...


class NoLog:
    """The log of a service whose lines are kept nowhere."""

    def tail(self, count: int) -> list[Entry]:  # noqa: ARG002 -- the protocol's
        """Return nothing."""
        return []

    def follow(self, count: int) -> tuple[list[Entry], LogReader]:  # noqa: ARG002 -- the protocol's
        """Return nothing, and a reader for which nothing ever comes."""
        return [], self

    def whole(self) -> Iterator[bytes]:
        """Yield nothing."""
        return iter(())

    def read(self) -> list[Entry]:
        """Return nothing."""
        return []

    def close(self) -> None:
        """Do nothing."""
