"""What a look at a file's headers tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """Width and height in pixels, duration in seconds; None where the file has no such thing or does not say."""

    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
