"""What is shown to be copied runs as it stands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jsonschema
import pytest

from backend.generation.workflows import (
    Document,
    bind,
    curl,
    example_inputs,
    json_schema,
    openapi_operation,
    prepare,
    python,
)
from tests import secret_watch
from tests.generation.workflows.desk import OBJECT_INFO, text_to_image

PREPARED = prepare(Document(text_to_image()[0].saved(), None), OBJECT_INFO)
NAME = "it's~odd $(id)"


class Gateway(HTTPServer):
    """Takes one job and says that it is done when it is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.bodies: list[Any] = []
        self.keys: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer({"id": "job1", "state": "queued"})

    def do_GET(self) -> None:
        self._answer({"id": "job1", "state": "completed"})

    def _answer(self, value: dict[str, str]) -> None:
        self.server.keys.append(self.headers["Authorization"])
        data = json.dumps(value).encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Stay silent."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(command: list[str], key: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HEARTH_KEY": key}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=30).stdout


def test_the_python_program_queues_the_workflow(gateway: Gateway):
    """With nothing but Python itself."""
    key = secret_watch.secret("snippet key")
    output = run([sys.executable, "-I", "-c", python(NAME, PREPARED.fields, gateway.url + "/")], key)
    assert gateway.bodies == [{"workflow_id": NAME, "inputs": example_inputs(PREPARED.fields)}]
    assert gateway.keys == [f"Bearer {key}"] * 2
    assert json.loads(output)["state"] == "completed"


def test_the_shell_line_queues_the_workflow(gateway: Gateway, tmp_path: Any):
    """A stand-in for curl writes down what it was called with; quotes and dollars in names do no harm."""
    tool = tmp_path / "curl"
    tool.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    tool.chmod(0o755)
    key = secret_watch.secret("shell key")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HEARTH_KEY": key}
    line = curl(NAME, PREPARED.fields, gateway.url)
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, check=True, timeout=30)
    arguments = json.loads(done.stdout)
    assert arguments[1] == gateway.url + "/api/generations"
    assert f"Authorization: Bearer {key}" in arguments
    assert json.loads(arguments[-1])["workflow_id"] == NAME


def test_the_examples_fit_the_workflow():
    """They can be sent as they are."""
    inputs = example_inputs(PREPARED.fields)
    jsonschema.validate(inputs, json_schema(PREPARED.fields, "x"))
    assert bind(PREPARED.graph, PREPARED.fields, inputs)


def test_the_operation_describes_the_inputs():
    """Its id has only letters that generators take."""
    schema = json_schema(PREPARED.fields, "Usual")
    operation: Any = openapi_operation(NAME, "Odd", "", schema)
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert operation["operationId"].isidentifier()
    jsonschema.Draft202012Validator.check_schema(body)
    jsonschema.validate({"workflow_id": NAME, "inputs": {"steps": 3}}, body)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"workflow_id": NAME, "inputs": {"steps": 0}}, body)
    assert "202" in operation["responses"]
