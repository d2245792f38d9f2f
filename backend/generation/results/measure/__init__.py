"""Width, height and duration of a file, from its headers alone: no frame and no sample is decoded."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from backend.generation.results.measure import animation, isomedia, matroska, sound
from backend.generation.results.measure.measured import Measured

_Seconds = Callable[[BinaryIO, int], float | None]

_MAX_SIDE = 1_000_000
_MAX_SECONDS = 10_000_000  # four months

_CONTAINERS: dict[str, Callable[[BinaryIO, int], Measured]] = {
    "video/mp4": isomedia.measure,
    "video/quicktime": isomedia.measure,
    "audio/mp4": isomedia.measure,
    "video/webm": matroska.measure,
    "video/x-matroska": matroska.measure,
}
_SOUNDS: dict[str, _Seconds] = {
    "audio/wav": sound.wav_s,
    "audio/flac": sound.flac_s,
    "audio/mpeg": sound.mp3_s,
    "audio/ogg": sound.ogg_s,
}


def measure_media(path: Path, mime: str) -> Measured:
    """Measure video, sound, and how long an animated picture moves; blocking.

    A damaged file measures nothing: its result is kept all the same.

    Raises:
        OSError: It cannot be read.
    """
    try:
        return _plausible(_measure(path, mime))
    except (struct.error, ValueError, IndexError, RecursionError, OverflowError):
        return Measured()


def _measure(path: Path, mime: str) -> Measured:
    if mime.startswith("image/"):
        return Measured(duration_s=animation.duration_s(path, mime))
    with path.open("rb") as file:
        size_bytes = path.stat().st_size
        if mime in _CONTAINERS:
            return _CONTAINERS[mime](file, size_bytes)
        seconds = _SOUNDS[mime](file, size_bytes) if mime in _SOUNDS else None
        return Measured(duration_s=None if seconds is None else round(seconds, 3))


def _plausible(found: Measured) -> Measured:
    """Leave out what no file is: damaged headers also say infinity, and numbers that no database holds."""
    width, height, seconds = found.width, found.height, found.duration_s
    return Measured(
        width if width is not None and width <= _MAX_SIDE else None,
        height if height is not None and height <= _MAX_SIDE else None,
        seconds if seconds is not None and 0 <= seconds <= _MAX_SECONDS else None,
    )


__all__ = ["Measured", "measure_media"]
