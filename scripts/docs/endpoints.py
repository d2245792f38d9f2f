"""The API reference: every endpoint with its parameters, an example call and an example answer, from OpenAPI."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from backend.app import create_app
from backend.config import load_settings

Schema = Mapping[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete")


def endpoints_block() -> str:
    """Write one section per tag and one entry per endpoint."""
    document = openapi()
    lines: list[str] = []
    current = ""
    for tag, path, method, operation in _operations(document):
        if tag != current:
            lines += ["", f"## {tag.capitalize()}"]
            current = tag
        lines += ["", f"### {method.upper()} {path}", "", _sentences(operation)]
        lines += _parameters(operation)
        lines += _example_call(document, path, method, operation)
        lines += _example_answer(document, operation)
    return "\n".join([*lines, ""])


def openapi() -> Schema:
    """Return the OpenAPI document of an application that never starts."""
    with tempfile.TemporaryDirectory() as folder:
        settings, _ = load_settings({}, workspace=Path(folder), log_level="error")
        return create_app(settings).openapi()


def _operations(document: Schema) -> Iterator[tuple[str, str, str, Schema]]:
    found: list[tuple[str, str, str, Schema]] = []
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                operation = methods[method]
                found.append((str((operation.get("tags") or ["other"])[0]), path, method, operation))
    order = list(dict.fromkeys(tag for tag, *_ in found))
    yield from sorted(found, key=lambda item: order.index(item[0]))


def _sentences(operation: Schema) -> str:
    summary = str(operation.get("summary", ""))
    text = " ".join(str(operation.get("description", "")).split())
    return f"{summary}{'' if summary.endswith('?') else '.'} {text}".strip()


def _parameters(operation: Schema) -> list[str]:
    rows = [
        f"| `{each['name']}` | {each['in']} | {'yes' if each.get('required') else 'no'} | {_meaning(each)} |"
        for each in operation.get("parameters", [])
    ]
    return ["", "| Parameter | In | Required | Meaning |", "|---|---|---|---|", *rows] if rows else []


def _meaning(parameter: Schema) -> str:
    schema = cast("Schema", parameter.get("schema", {}))
    return str(parameter.get("description") or schema.get("description") or schema.get("type") or "").replace(
        "|", "\\|"
    )


def _example_call(document: Schema, path: str, method: str, operation: Schema) -> list[str]:
    command = f'curl -H "Authorization: Bearer $TOKEN" "$HEARTH{path}"'
    if method != "get":
        command = f'curl -X {method.upper()} -H "Authorization: Bearer $TOKEN" "$HEARTH{path}"'
    body = _body_example(document, operation)
    if body is not None:
        command += f" \\\n  -H 'Content-Type: application/json' -d '{json.dumps(body, ensure_ascii=False)}'"
    return ["", "```sh", command, "```"]


def _body_example(document: Schema, operation: Schema) -> object:
    content = cast("Schema", operation.get("requestBody", {})).get("content", {})
    media = cast("Schema", content.get("application/json", {}))
    return _example(document, _only_required(document, media["schema"])) if "schema" in media else None


def _only_required(document: Schema, schema: Schema) -> Schema:
    """Leave out of a request what may be left out, unless everything may."""
    if "$ref" in schema:
        return _only_required(document, document["components"]["schemas"][str(schema["$ref"]).rpartition("/")[2]])
    needed = schema.get("required", [])
    if not needed or "properties" not in schema or schema.get("examples"):
        return schema
    properties = {name: _only_required(document, schema["properties"][name]) for name in needed}
    return {**schema, "properties": {name: _narrowed(document, each) for name, each in properties.items()}}


def _narrowed(document: Schema, schema: Schema) -> Schema:
    return {**schema, "items": _only_required(document, schema["items"])} if schema.get("items") else schema


def _example_answer(document: Schema, operation: Schema) -> list[str]:
    for status, answer in operation.get("responses", {}).items():
        if not status.startswith("2"):
            continue
        media = cast("Schema", answer.get("content", {})).get("application/json", {})
        if "schema" not in media or not media["schema"]:
            return ["", f"Answers {status}."]
        value = media.get("example", _example(document, media["schema"]))
        return ["", f"Answers {status}:", "", "```json", json.dumps(value, indent=2, ensure_ascii=False), "```"]
    return []


def _example(document: Schema, schema: Schema, depth: int = 0) -> object:
    """Make a value that fits *schema*, preferring the examples that the code itself gives."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _example(document, document["components"]["schemas"][name], depth)
    for key in ("example", "default", "const"):
        if schema.get(key) is not None:
            return schema[key]
    if examples := schema.get("examples"):
        return cast("Sequence[object]", examples)[0]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return _example(document, schema[key][0], depth)
    return _by_type(document, schema, depth)


def _by_type(document: Schema, schema: Schema, depth: int) -> object:
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        if depth > 6:
            return {}
        return {name: _example(document, each, depth + 1) for name, each in schema.get("properties", {}).items()}
    if kind == "array":
        return [_example(document, schema["items"], depth + 1)] if schema.get("items") and depth <= 6 else []
    return {"string": "…", "integer": 0, "number": 0.0, "boolean": False}.get(str(kind))
