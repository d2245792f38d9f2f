"""Describe the inputs of a workflow as JSON Schema (draft 2020-12)."""

from __future__ import annotations

from collections.abc import Iterable

from backend.errors import JSON
from backend.generation.workflows.inputs.field import UPLOADS, Field, Kind, Role

MAX_BATCH = 64
RANDOM = "random"
SIZE_PATTERN = r"^(auto|[1-9][0-9]{1,4}x[1-9][0-9]{1,4})$"
_MEDIA = {Kind.IMAGE: "image/*", Kind.MASK: "image/*", Kind.AUDIO: "audio/*", Kind.VIDEO: "video/*"}


def json_schema(fields: Iterable[Field], title: str, *, with_runs: bool = False) -> dict[str, JSON]:
    """Return the schema of the values that :func:`~backend.generation.workflows.inputs.bind` takes.

    Beside the fields there is ``size`` where there are width and height. What a form needs beyond JSON Schema stands in
    ``x-hearth``.

    Args:
        with_runs: Whether ``n`` and ``seeds`` stand among the values, as binding takes them; the API has them beside.
    """
    known = tuple(fields)
    properties: dict[str, JSON] = {field.name: _property(field) for field in known}
    roles = {field.role for field in known}
    if with_runs and Role.SEED in roles:
        properties.setdefault("n", _count())
        properties.setdefault("seeds", _seeds(next(field for field in known if field.role is Role.SEED)))
    if {Role.WIDTH, Role.HEIGHT} <= roles:
        properties.setdefault("size", _size())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": properties,
        "required": [field.name for field in known if field.required],
        "additionalProperties": False,
    }


def _property(field: Field) -> dict[str, JSON]:
    schema: dict[str, JSON] = {"title": field.label}
    if field.description:
        schema["description"] = field.description
    schema.update(_type(field))
    if field.default is not None and not field.required:
        schema["default"] = field.default
    schema["x-hearth"] = {
        "kind": field.kind.value,
        "role": field.role.value,
        "group": field.group.value,
        "step": field.step,
        "node_id": field.node_id,
        "input": field.input_name,
    }
    return schema


def _type(field: Field) -> dict[str, JSON]:
    if field.kind is Kind.SEED:
        return {"anyOf": [_bounded({"type": "integer"}, field), {"enum": [-1, RANDOM]}]}
    if field.kind is Kind.CHOICE:
        # A default that is not installed here stays valid as a value: it is what the workflow was made with.
        choices = list(field.choices or ())
        return {"enum": choices if field.default in choices else [field.default, *choices]}
    if field.kind in UPLOADS:
        media = _MEDIA.get(field.kind)
        name: dict[str, JSON] = {"type": "string", "minLength": 1}
        return name if media is None else {**name, "contentMediaType": media}
    if field.kind in (Kind.INTEGER, Kind.NUMBER):
        return _bounded({"type": field.kind.value}, field)
    return {"type": "boolean" if field.kind is Kind.BOOLEAN else "string"}


def _bounded(schema: dict[str, JSON], field: Field) -> dict[str, JSON]:
    if field.minimum is not None:
        schema["minimum"] = field.minimum
    if field.maximum is not None:
        schema["maximum"] = field.maximum
    return schema


def _count() -> dict[str, JSON]:
    return {
        "title": "Number of results",
        "description": "How often to run, each time with another seed.",
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_BATCH,
        "default": 1,
    }


def _seeds(seed: Field) -> dict[str, JSON]:
    return {
        "title": "Seeds",
        "description": "One run for each seed.",
        "type": "array",
        "items": _bounded({"type": "integer"}, seed),
        "minItems": 1,
        "maxItems": MAX_BATCH,
    }


def _size() -> dict[str, JSON]:
    return {
        "title": "Size",
        "description": "Width and height in pixels at once, such as 1024x768; auto keeps the workflow's own.",
        "type": "string",
        "pattern": SIZE_PATTERN,
    }
