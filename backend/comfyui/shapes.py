"""Read foreign JSON without trusting its shape: what is not of the wanted type counts as absent."""

from __future__ import annotations

import math
from typing import cast

from backend.errors import JSON


def mapping(value: object) -> dict[str, JSON]:
    """Return *value* when it is an object, otherwise an empty one."""
    return cast("dict[str, JSON]", value) if isinstance(value, dict) else {}


def sequence(value: object) -> list[JSON]:
    """Return *value* when it is a list, otherwise an empty one."""
    return cast("list[JSON]", value) if isinstance(value, list) else []


def text(value: object) -> str | None:
    """Return *value* when it is a string."""
    return value if isinstance(value, str) else None


def number(value: object) -> float | None:
    """Return *value* when it is a number; true and false are none."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def whole(value: object) -> int | None:
    """Return *value* when it is a number, cut to a whole one."""
    found = number(value)
    return int(found) if found is not None and math.isfinite(found) else None


def texts(value: object) -> tuple[str, ...]:
    """Return the strings in *value*, a list."""
    return tuple(each for each in sequence(value) if isinstance(each, str))
