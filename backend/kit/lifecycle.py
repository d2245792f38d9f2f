"""States and the moves between them that are legal; an illegal move raises instead of corrupting a record."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S", bound=StrEnum)


class IllegalTransition(ValueError):
    """A state was asked to move where it cannot go: a defect of the caller, never of a user."""


class Lifecycle(Generic[S]):
    """Hold the legal moves of one kind of record.

    Args:
        transitions: For each state the states it may move to. A state without an entry is final.
    """

    def __init__(self, transitions: Mapping[S, AbstractSet[S]]) -> None:
        self._transitions = {state: frozenset(targets) for state, targets in transitions.items()}

    def allows(self, old: S, new: S) -> bool:
        """Tell whether *old* may become *new*; staying put is always allowed."""
        return old == new or new in self._transitions.get(old, frozenset())

    def check(self, old: S, new: S) -> S:
        """Return *new* when the move is legal.

        Raises:
            IllegalTransition: It is not.
        """
        if not self.allows(old, new):
            raise IllegalTransition(f"{old} cannot become {new}")
        return new

    def is_final(self, state: S) -> bool:
        """Tell whether nothing follows *state*."""
        return not self._transitions.get(state)
