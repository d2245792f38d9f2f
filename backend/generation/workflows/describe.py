"""Show how a workflow is run from outside: a line for the shell, a few of Python, an operation of OpenAPI."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping

from backend.errors import JSON
from backend.generation.workflows.inputs import Field, Group, Kind

_MAX_EXAMPLE_FIELDS = 6
_RUNS: Mapping[str, JSON] = {
    "n": {
        "type": "integer",
        "minimum": 1,
        "maximum": 64,
        "default": 1,
        "description": "Runs, each with the next seed.",
    },
    "seed": {
        "type": "integer",
        "minimum": 0,
        "description": "Of the first run; left out, it is drawn when n is above 1.",
    },
}
_PYTHON = """\
import json
import os
import time
import urllib.request

BASE = {base}


def call(method, path, body=None):
    request = urllib.request.Request(BASE + path, method=method)
    request.add_header("Authorization", "Bearer " + os.environ["HEARTH_KEY"])
    data = None
    if body is not None:
        request.add_header("Content-Type", "application/json")
        data = json.dumps(body).encode()
    with urllib.request.urlopen(request, data) as response:
        return json.load(response)


job = call("POST", "/api/generations", {body})
while job["state"] in ("queued", "running"):
    time.sleep(1)
    job = call("GET", "/api/generations/" + job["id"])
print(json.dumps(job, indent=2))
"""


def example_inputs(fields: Iterable[Field]) -> dict[str, JSON]:
    """Return a few values to show: what must be given, and the important fields with their defaults."""
    shown = [field for field in fields if field.required or field.group is Group.MAIN][:_MAX_EXAMPLE_FIELDS]
    return {field.name: _example(field) for field in shown}


def curl(workflow_id: str, fields: Iterable[Field], base_url: str) -> str:
    """Return a command for a POSIX shell that queues the workflow; the key comes from ``$HEARTH_KEY``."""
    body = json.dumps({"workflow_id": workflow_id, "inputs": example_inputs(fields)}, ensure_ascii=False)
    lines = [
        f"curl -sS {shlex.quote(base_url.rstrip('/') + '/api/generations')}",
        '-H "Authorization: Bearer $HEARTH_KEY"',
        "-H 'Content-Type: application/json'",
        f"-d {shlex.quote(body)}",
    ]
    return " \\\n  ".join(lines)


def python(workflow_id: str, fields: Iterable[Field], base_url: str) -> str:
    """Return a Python program without dependencies that runs the workflow and waits for its end."""
    body = {"workflow_id": workflow_id, "inputs": example_inputs(fields)}
    return _PYTHON.format(base=repr(base_url.rstrip("/")), body=repr(body))


def openapi_operation(workflow_id: str, name: str, description: str, schema: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the operation that queues one workflow, its inputs described; for POST /api/generations.

    Args:
        schema: What :func:`~backend.generation.workflows.inputs.json_schema` returned.
    """
    inputs = {key: value for key, value in schema.items() if key != "$schema"}
    body: dict[str, JSON] = {
        "type": "object",
        "properties": {"workflow_id": {"const": workflow_id}, "inputs": inputs, **_RUNS},
        "required": ["workflow_id", *(["inputs"] if schema.get("required") else [])],
    }
    return {
        "operationId": "run_" + "".join(each if each.isalnum() and each.isascii() else "_" for each in workflow_id),
        "summary": f"Run {name}",
        "description": description or f"Queue one or more runs of the workflow {name}.",
        "tags": ["workflows"],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "202": {
                "description": "Queued; Location leads to the job.",
                "headers": {"Location": {"schema": {"type": "string"}}},
            },
            "404": {"description": "There is no such workflow."},
            "422": {"description": "A value does not fit; details.fields says which and why."},
            "429": {"description": "The queue is full; Retry-After says when to come again."},
        },
    }


def _example(field: Field) -> JSON:
    if field.kind is Kind.SEED:
        return -1
    if field.required:
        return f"{field.kind.value}.{_SUFFIXES.get(field.kind, 'bin')}"
    return field.default


_SUFFIXES = {Kind.IMAGE: "png", Kind.MASK: "png", Kind.AUDIO: "wav", Kind.VIDEO: "mp4", Kind.FILE: "glb"}
