"""Turn the OpenAPI document into one page that can be read and copied from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from markupsafe import Markup

_TEMPLATE = Path(__file__).with_name("reference.html")
_METHODS = ("get", "post", "put", "patch", "delete")
_MAX_DEPTH = 6

Schema = dict[str, Any]  # Any: JSON Schema is JSON of every shape


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of the address."""

    name: str
    place: str
    kind: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint as the page shows it; empty strings are left out."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    parameters: list[Parameter]
    curl: str
    status: str
    answer: str


def reference_page(document: Schema) -> str:
    """Render the page; blocking, some 50 ms."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["marked"] = _marked
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(info=document["info"], groups=_groups(document))


def _marked(text: str) -> Markup:
    """Escape *text* and set what stands between backticks as code."""
    parts = text.split("`")
    return Markup().join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def _groups(document: Schema) -> dict[str, list[Operation]]:
    groups: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                tag = str((item[method].get("tags") or ["other"])[0])
                groups.setdefault(tag, []).append(_operation(document, path, method, item[method]))
    return groups


def _operation(document: Schema, path: str, method: str, operation: Schema) -> Operation:
    status, answer = next(iter(operation["responses"].items()))
    content = _example_of_content(document, answer)
    return Operation(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        scope=operation.get("x-scope", "") if operation["security"] else "no sign-in",
        parameters=[_parameter(document, parameter) for parameter in operation.get("parameters", [])],
        curl=_curl(document, path, method, operation),
        status=status,
        answer=content,
    )


def _parameter(document: Schema, parameter: Schema) -> Parameter:
    schema = _resolved(document, parameter.get("schema", {}))
    kinds = [str(part.get("type", "")) for part in schema.get("anyOf", [schema])]
    kind = " or ".join(kind for kind in kinds if kind not in ("", "null"))
    if "enum" in schema:
        kind = ", ".join(str(value) for value in schema["enum"])
    default = "required" if parameter.get("required") else _default(schema)
    return Parameter(parameter["name"], parameter["in"], kind, default, parameter.get("description", ""))


def _default(schema: Schema) -> str:
    value = schema.get("default")
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _curl(document: Schema, path: str, method: str, operation: Schema) -> str:
    parts = ["curl"]
    if method != "get":
        parts.append(f"-X {method.upper()}")
    if operation["security"]:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    body = _example_of_content(document, operation.get("requestBody", {}), indent=None)
    if body:
        parts.append(f"-H 'Content-Type: application/json' -d '{body}'")
    return " ".join([*parts, f"http://localhost:8000{path}"])


def _example_of_content(document: Schema, holder: Schema, indent: int | None = 2) -> str:
    content = holder.get("content", {}).get("application/json")
    if not content:
        return ""
    value = content["example"] if "example" in content else example_of(document, content.get("schema", {}))
    return json.dumps(value, ensure_ascii=False, indent=indent)


def example_of(document: Schema, schema: Schema, depth: int = 0) -> Any:
    """Build a value that fits *schema* from the examples and defaults written in it.

    Any: a JSON value of whatever shape the schema describes.
    """
    schema = _resolved(document, schema)
    if schema.get("examples"):
        return schema["examples"][0]
    for given in ("example", "const", "default"):
        if given in schema:
            return schema[given]
    if "enum" in schema:
        return schema["enum"][0]
    for combined in ("anyOf", "oneOf", "allOf"):
        if combined in schema:
            return example_of(document, schema[combined][0], depth)
    return _example_of_type(document, schema, depth)


def _example_of_type(document: Schema, schema: Schema, depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        properties = cast("Schema", schema.get("properties", {})) if depth < _MAX_DEPTH else {}
        required = schema.get("required", ())
        return {
            name: example_of(document, part, depth + 1)
            for name, part in properties.items()
            if name in required or part.get("examples")  # what may be left out is shown when it says how it looks
        }
    if kind == "array":
        return [example_of(document, schema.get("items", {}), depth + 1)] if depth < _MAX_DEPTH else []
    lowest = schema.get("minimum", 0)
    return {"string": "…", "integer": lowest, "number": lowest, "boolean": True}.get(str(kind))


def _resolved(document: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema
