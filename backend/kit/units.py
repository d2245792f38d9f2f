"""Bytes and rates, read from what people write and written as people read.

Binary units (1 KiB = 1024 bytes, IEC 80000-13) are what ``df -h`` and ``nvidia-smi`` show, so they are the default for
display; on input, ``MB`` is decimal and ``MiB`` binary.
"""

from __future__ import annotations

import re

_FACTORS = {
    "": 1, "b": 1,
    "k": 1000, "kb": 1000, "m": 1000**2, "mb": 1000**2, "g": 1000**3, "gb": 1000**3, "t": 1000**4, "tb": 1000**4,
    "kib": 1024, "mib": 1024**2, "gib": 1024**3, "tib": 1024**4,
}  # fmt: skip
_SIZE = re.compile(r"(?i)^\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)\s*$")
_NO_BREAK_SPACE = "\u00a0"


def parse_size(text: str) -> int:
    """Return the bytes meant by ``10GB``, ``1.5 GiB`` or ``1048576``.

    Raises:
        ValueError: It is not a size.
    """
    match = _SIZE.match(text)
    if match is None or match[2].lower() not in _FACTORS:
        raise ValueError(f"{text!r} is not a size such as 500MB, 1.5GiB or 1048576")
    return int(float(match[1]) * _FACTORS[match[2].lower()])


def parse_rate(text: str) -> int:
    """Return the bytes per second meant by ``10MB/s``, ``10MB`` or ``0`` (no limit).

    Raises:
        ValueError: It is not a rate.
    """
    return parse_size(re.sub(r"(?i)/s(ec)?\s*$", "", text.strip()))


def format_bytes(size_bytes: float) -> str:
    """Write bytes as the dashboard does: GiB with one decimal below 100, MiB and KiB with none, TiB with two."""
    for unit, factor, decimals in (("TiB", 1024**4, 2), ("GiB", 1024**3, 1), ("MiB", 1024**2, 0), ("KiB", 1024, 0)):
        if size_bytes >= factor:
            value = size_bytes / factor
            shown = f"{value:.0f}" if unit == "GiB" and value >= 100 else f"{value:.{decimals}f}"
            return f"{shown}{_NO_BREAK_SPACE}{unit}"
    return f"{size_bytes:.0f}{_NO_BREAK_SPACE}B"
