"""What the container's own scripts remember about a service: how often it was started, why it ended, when it starts again.

They write ``attempts/<service>.json`` in the folder of the container's life; outside of a container there is none.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backend.system.services.status import ExitReason


@dataclass(frozen=True, slots=True)
class Attempt:
    """``starts`` counts the one that runs; ``reason`` is of the last end, None before the first."""

    starts: int
    reason: ExitReason | None
    next_start_at: datetime | None


def read_attempt(folder: Path, service: str) -> Attempt | None:
    """Read the record of a service; None where there is none, or a damaged one; blocking."""
    try:
        record: dict[str, Any] = json.loads((folder / f"{service}.json").read_text("utf-8"))
        starts, reason, next_ms = int(record["starts"]), record.get("reason"), record.get("next_start_ms")
        next_start_at = None if next_ms is None else datetime.fromtimestamp(float(next_ms) / 1000, UTC)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None
    known = None
    with suppress(ValueError):
        known = ExitReason(str(reason))
    return Attempt(starts, known, next_start_at)
