"""Identifiers that sort by the time they were made and cannot be guessed."""

from __future__ import annotations

import secrets
import time

_RANDOM_BYTES = 6  # 48 bits beside the millisecond: no collision to expect within one installation


def new_id() -> str:
    """Return 24 lower-case hex characters: 12 of milliseconds since 1970, 12 random."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(_RANDOM_BYTES)}"
