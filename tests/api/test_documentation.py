"""The API describes itself: completely, truthfully, and without loading anything from elsewhere."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import jsonschema
import pytest
from fastapi import FastAPI

from backend.api.guard import OPEN
from backend.api.reference import example_of
from tests.conftest import client_of

pytestmark = pytest.mark.anyio

METHODS = {"get", "put", "post", "delete", "patch"}


@pytest.fixture
async def document(client: httpx2.AsyncClient) -> dict[str, Any]:
    """The OpenAPI document."""
    return (await client.get("/openapi.json")).json()


def _operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(m, path): item[m] for path, item in document["paths"].items() for m in METHODS & item.keys()}


async def test_every_endpoint_says_what_it_does_and_who_may(document: dict[str, Any]) -> None:
    """A summary, a description, a group, its scope, and the one shape of errors."""
    operations = _operations(document)

    assert len(operations) > 30
    for (method, path), operation in operations.items():
        place = f"{method} {path}"
        assert operation["summary"], place
        assert operation["description"], place
        assert len(operation["tags"]) == 1, place
        assert operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"].endswith("/Error"), (
            place
        )
        if path == "/api/gallery/zip":
            continue  # a read whose ids would not fit into an address
        if path in OPEN:
            assert operation["security"] == [], place
        else:
            assert operation["security"], place
            assert operation["x-scope"] in ("read", "generate", "manage"), place
            assert method == "get" or operation["x-scope"] != "read" or path.startswith("/api/auth/"), place


async def test_errors_have_the_shape_that_is_described(document: dict[str, Any], client: httpx2.AsyncClient) -> None:
    """Of every kind: unknown address, refused body, missing sign-in."""
    schema = document["components"]["schemas"]["Error"]
    for answer in (
        await client.get("/api/no/such/page"),
        await client.patch("/api/settings", json=[]),
        await client.get("/api/settings", headers={"Authorization": "Bearer x"}),
    ):
        jsonschema.validate(answer.json(), schema)
    jsonschema.validate(schema["example"], schema)
    assert "HTTPValidationError" not in str(document)


async def test_answers_fit_their_description(document: dict[str, Any], client: httpx2.AsyncClient) -> None:
    """Every list and every read without parameters answers what the document says."""
    checked = 0
    for (method, path), operation in _operations(document).items():
        if method != "get" or "{" in path:
            continue
        content = operation["responses"].get("200", {}).get("content", {}).get("application/json")
        answer = await client.get(path)
        if content and answer.status_code == 200:
            schema = {**content["schema"], "components": document["components"]}
            jsonschema.validate(answer.json(), schema)
            checked += 1

    assert checked >= 10


async def test_the_page_loads_nothing_from_elsewhere_and_runs_no_script(client: httpx2.AsyncClient) -> None:
    """It works under the strictest policy, and every endpoint stands on it with an example."""
    page = (await client.get("/docs")).text
    style = await client.get("/docs/reference.css")

    assert "<script" not in page
    assert "style=" not in page
    assert re.findall(r'(?:src|href)="(?![#/])', page) == []
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "url(" not in style.text
    assert "http://localhost:8000/api/auth/login" in page
    for path in (await client.get("/openapi.json")).json()["paths"]:
        assert f"<code>{path}</code>" in page


async def test_a_browser_is_asked_to_sign_in_and_comes_back(app: FastAPI) -> None:
    """A program gets 401 instead."""
    async with client_of(app) as client:
        page = await client.get("/docs", headers={"Accept": "text/html"})
        program = await client.get("/openapi.json")

    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/docs")
    assert (program.status_code, program.json()["error"]["code"]) == (401, "not_signed_in")


async def test_examples_of_requests_fit_their_schema(document: dict[str, Any]) -> None:
    """Who copies one gets past validation."""
    checked = 0
    for operation in _operations(document).values():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content:
            value = content["example"] if "example" in content else example_of(document, content["schema"])
            if "…" in str(value):
                continue  # a placeholder: it says "put yours here"
            jsonschema.validate(value, {**content["schema"], "components": document["components"]})
            checked += 1

    assert checked >= 5
