"""The form of a workflow: controls made from its typed inputs, and values read back from what was sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from starlette.datastructures import FormData, UploadFile

from backend.errors import JSON
from backend.generation.uploads import Uploads
from backend.web.errors import FileTooLarge
from backend.web.generate_contexts import Blank

Inputs = Sequence[Mapping[str, Any]]  # Any: fields as ``backend.generation.workflows.Field.as_dict`` shapes them
Use = Callable[[str], Awaitable[str]]  # the id of a result; the value by which an input names its file

PREFIX = "in."
MAX_FILE_BYTES = 64 * 1024**2
_RANDOM = "random"
_TOLERANCE = 1e-6  # of decimal fractions
_ACCEPTS = {"image": "image/*", "mask": "image/*", "audio": "audio/*", "video": "video/*", "file": ""}
_CONTROLS = {
    "text": "text", "long_text": "area", "integer": "number", "number": "number", "boolean": "switch",
    "choice": "select", "seed": "seed",
}  # fmt: skip


def blanks_of(
    inputs: Inputs, values: Mapping[str, JSON], problems: Mapping[str, str], picture: str = ""
) -> list[Blank]:
    """Return the fields of the form.

    Args:
        values: What stands in them; what is not here is as the workflow has it, and a seed is empty, which means random.
        problems: Why values were refused, by name.
        picture: Id of a result that the first input for a picture gets.
    """
    asked = [field for field in inputs if _is_asked_for(field)]
    taker = next((field["name"] for field in asked if field["kind"] == "image"), None) if picture else None
    return [
        _blank(field, values, problems.get(field["name"], ""), picture if field["name"] == taker else "")
        for field in asked
    ]


async def values_of(form: FormData, inputs: Inputs, uploads: Uploads, use: Use) -> dict[str, JSON]:
    """Read the values that were sent; files are kept first, and their names are the values.

    Args:
        use: Keeps the file of a result as an input.
    Raises:
        FileTooLarge: A file is larger than 64 MiB.
        HearthError: A result cannot be used.
        OSError: The disk refuses a file.
    """
    found: dict[str, JSON] = {}
    for field in inputs:
        if not _is_asked_for(field):
            continue
        name: str = field["name"]
        sent = form.get(PREFIX + name)
        if field["kind"] in _ACCEPTS:
            value = await _file(form, name, uploads, use)
            if value:
                found[name] = value
        elif field["kind"] == "boolean":
            found[name] = sent is not None
        elif isinstance(sent, str):
            found[name] = sent.replace("\r\n", "\n")
    return found


def as_sent(values: Mapping[str, JSON], inputs: Inputs) -> dict[str, JSON]:
    """Return *values* for the queue: an empty seed is drawn."""
    seeds = {field["name"] for field in inputs if field["kind"] == "seed"}
    return {name: _RANDOM if name in seeds and value == "" else value for name, value in values.items()}


async def _file(form: FormData, name: str, uploads: Uploads, use: Use) -> str:
    sent, kept, given = form.get(PREFIX + name), form.get(f"kept.{name}"), form.get(f"given.{name}")
    if not isinstance(sent, UploadFile) or not sent.filename:
        if isinstance(given, str) and given:
            return await use(given)
        return kept if isinstance(kept, str) else ""
    content = await sent.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise FileTooLarge(f"{sent.filename[:80]} is larger than {MAX_FILE_BYTES >> 20} MiB.")
    return await uploads.keep(content, sent.filename.rpartition(".")[2])


def _is_asked_for(field: Mapping[str, Any]) -> bool:
    """Leave out lists of choices, which have no control here; they stay as the workflow has them."""
    return not isinstance(field["default"], list)


def _blank(field: Mapping[str, Any], values: Mapping[str, JSON], problem: str, given: str) -> Blank:
    kind: str = field["kind"]
    value = "" if given else _value(field, values)
    return Blank(
        name=field["name"],
        label=field["label"],
        control=_CONTROLS.get(kind, "file"),
        value=value,
        is_advanced=field["group"] == "advanced",
        hint=field["description"],
        attributes=_attributes(field, value or given),
        choices=_choices(field, value),
        problem=problem,
        given=given,
    )


def _value(field: Mapping[str, Any], values: Mapping[str, JSON]) -> str:
    if field["name"] in values:
        value = values[field["name"]]
    elif field["kind"] == "seed" or (field["kind"] in _ACCEPTS and field["required"]):
        value = ""
    else:
        value = cast("JSON", field["default"])
    if isinstance(value, bool):
        return "on" if value else ""
    return "" if value is None else str(value)


def _attributes(field: Mapping[str, Any], value: str) -> dict[str, JSON]:
    kind: str = field["kind"]
    if kind in ("integer", "number"):
        bounds = {"min": field["minimum"], "max": field["maximum"], "step": _step(field, value)}
        return {name: bound for name, bound in bounds.items() if bound is not None}
    if kind in _ACCEPTS:
        told: dict[str, JSON] = {"accept": _ACCEPTS[kind]} if _ACCEPTS[kind] else {}
        return {**told, "required": ""} if not value else told
    return {}


def _step(field: Mapping[str, Any], value: str) -> JSON:
    """Return the step of a number; browsers refuse values beside it, so one that does not fit makes any value fine."""
    step: float | None = field["step"] or (1 if field["kind"] == "integer" else None)
    minimum: float = field["minimum"] or 0
    if step is None:
        return "any"
    try:
        steps = (float(value) - minimum) / step
    except ValueError:
        return step
    return step if abs(steps - round(steps)) < _TOLERANCE else "any"


def _choices(field: Mapping[str, Any], value: str) -> list[tuple[str, str, bool]]:
    if field["kind"] != "choice":
        return []
    names = [str(choice) for choice in field["choices"] or ()]
    lost = [] if value in names else [(value, f"{value} (not here)", True)]
    return lost + [(name, name, name == value) for name in names]
