"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CheckState(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; ``hint`` is empty when there is nothing to do, ``fix`` when no one line mends it."""

    name: str
    state: CheckState
    message: str
    hint: str = ""
    fix: str = ""
