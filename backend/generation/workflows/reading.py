"""Look into JSON of strangers without trusting its shape: what is not of the wanted kind reads as empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from backend.errors import JSON


def as_mapping(value: object) -> Mapping[str, JSON]:
    """Return *value* if it is a JSON object, else an empty one."""
    return cast("Mapping[str, JSON]", value) if isinstance(value, Mapping) else {}


def as_list(value: object) -> Sequence[JSON]:
    """Return *value* if it is a JSON array, else an empty one."""
    return cast("Sequence[JSON]", value) if isinstance(value, list | tuple) else ()


def as_text(value: object) -> str:
    """Return *value* if it is text, else an empty one."""
    return value if isinstance(value, str) else ""


def as_int(value: object) -> int | None:
    """Return *value* if it is a whole number (JavaScript writes 3.0 for 3 at times), else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None


def as_id(value: object) -> str | None:
    """Return the id of a node or link as text; both kinds are numbers in most files and text in some."""
    if isinstance(value, str):
        return value or None
    number = as_int(value)
    return None if number is None else str(number)


def is_number(value: object) -> bool:
    """Tell whether *value* is a JSON number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
