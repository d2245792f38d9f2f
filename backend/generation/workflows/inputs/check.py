"""Check one value against its field."""

from __future__ import annotations

import math

from backend.errors import JSON
from backend.generation.workflows.inputs.field import UPLOADS, Field, Kind
from backend.generation.workflows.inputs.schema import RANDOM

_MAX_TEXT = 100_000  # characters; the longest prompts of models that read books
_MAX_FILE_NAME = 1024
_TRUE, _FALSE = frozenset({"true", "on", "1", "yes"}), frozenset({"false", "off", "0", "no", ""})


class Unfit(Exception):
    """A value does not fit; the text says why, to be put behind the field's name."""


def checked(field: Field, value: JSON) -> JSON:
    """Return *value* as the graph takes it.

    Raises:
        Unfit: It does not fit.
    """
    if field.kind is Kind.CHOICE:
        return _choice(field, value)
    if field.kind is Kind.INTEGER:
        return _in_range(field, _whole(value))
    if field.kind is Kind.NUMBER:
        return _in_range(field, _number(value))
    if field.kind is Kind.BOOLEAN:
        return _truth(value)
    return _file(value) if field.kind in UPLOADS else _text(value)


def checked_seed(field: Field, value: JSON) -> int:
    """Return *value* as a seed; a random one must have been drawn before.

    Raises:
        Unfit: It is no whole number, or out of range.
    """
    seed = _whole(value)
    _in_range(field, seed)
    return seed


def is_random(value: JSON) -> bool:
    """Tell whether a value asks for a seed to be drawn."""
    if isinstance(value, str):
        return value.strip().lower() in (RANDOM, "-1")
    return not isinstance(value, bool) and value == -1


def _choice(field: Field, value: JSON) -> JSON:
    choices = field.choices or ()
    if isinstance(value, list):
        if all(each in choices for each in value) and isinstance(field.default, list):
            return value
        raise Unfit("has values that are no choice")
    same = next((each for each in choices if type(each) is type(value) and each == value), None)
    if same is not None or value == field.default:
        return value
    alike = next((each for each in choices if str(each) == str(value)), None)
    if alike is not None:
        return alike
    if not choices:
        raise Unfit("cannot be chosen: there is nothing to choose from here")
    shown = ", ".join(str(each) for each in choices[:6]) + (f" and {len(choices) - 6} more" if len(choices) > 6 else "")
    raise Unfit(f"must be one of {shown}")


def _whole(value: JSON) -> int:
    if isinstance(value, bool):
        raise Unfit("must be a whole number")
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        try:
            return int(value.strip())
        except ValueError:
            pass
    raise Unfit("must be a whole number")


def _number(value: JSON) -> float | int:
    if isinstance(value, str):
        try:
            value = float(value.strip())
        except ValueError:
            raise Unfit("must be a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unfit("must be a number")
    return value


def _in_range(field: Field, number: float) -> JSON:
    if field.minimum is not None and number < field.minimum:
        raise Unfit(f"must be at least {field.minimum}")
    if field.maximum is not None and number > field.maximum:
        raise Unfit(f"must be at most {field.maximum}")
    return number


def _truth(value: JSON) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise Unfit("must be true or false")


def _text(value: JSON) -> str:
    if not isinstance(value, str):
        raise Unfit("must be text")
    if len(value) > _MAX_TEXT:
        raise Unfit(f"must have at most {_MAX_TEXT} characters")
    return value


def _file(value: JSON) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _MAX_FILE_NAME:
        raise Unfit("must be the name of an uploaded file")
    if ".." in value.replace("\\", "/").split("/") or value.startswith(("/", "\\")) or "\0" in value:
        raise Unfit("must be the name of a file in ComfyUI's input folder")
    return value
