"""Workflows over HTTP without any ComfyUI: the library, its documents, and what says that it needs one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from backend.generation.workflows import Shelves, TemplateShelf
from tests import secret_watch
from tests.api.workflows import put_in, refused
from tests.conftest import client_of
from tests.generation import graphs
from tests.generation.drawn import drawn
from tests.generation.workflows import carriers
from tests.generation.workflows.desk import PNG

pytestmark = pytest.mark.anyio

SUMMARY = {
    "id", "title", "description", "folder", "category", "tags", "source", "kind", "format", "version", "nodes",
    "size_bytes", "models_bytes", "min_comfyui", "modified_at", "thumbnail_url", "can_run", "problem",
}  # fmt: skip
TEXTS = {"workflow": json.dumps(drawn("a.safetensors")), "prompt": json.dumps(graphs.quick())}
FILES = {
    "picture.png": carriers.png(TEXTS),
    "picture.webp": carriers.webp(TEXTS),
    "film.mp4": carriers.mp4(TEXTS),
    "plain.json": TEXTS["workflow"].encode(),
}


@pytest.fixture(name="reader")
async def key_for_making(app: FastAPI, client: httpx2.AsyncClient) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody who may generate and not manage."""
    answer = await client.post("/api/auth/keys", json={"name": "maker", "scope": "generate"})
    key = secret_watch.watch("API key", answer.json()["key"])
    async with client_of(app, headers={"X-API-Key": key}) as program:
        yield program


@pytest.mark.parametrize("name", FILES)
async def test_whatever_carries_a_workflow_is_imported(client: httpx2.AsyncClient, name: str) -> None:
    """In a form or as the body; the editor's format is kept, under the file's name or another."""
    data = FILES[name]
    as_form = await client.post("/api/workflows", files={"file": (name, data)})
    named = await client.post(
        "/api/workflows", files={"file": (name, data)}, data={"name": "Mine: no", "folder": "made"}
    )
    again = await client.post(
        "/api/workflows", files={"file": (name, data)}, data={"name": "Ä house", "folder": "made"}
    )
    as_body = await client.post("/api/workflows", content=data, headers={"Content-Type": "application/octet-stream"})
    shown = as_form.json()["workflow"]

    assert (as_form.status_code, again.status_code, as_body.status_code) == (201, 201, 201)
    refused(named, 422, "invalid_workflow_name")
    assert as_form.headers["Location"] == f"/api/workflows/{shown['id']}"
    assert as_form.headers["ETag"] == f'"{shown["version"]}"'
    assert set(shown) == SUMMARY
    assert (shown["title"], shown["source"], shown["kind"]) == (name.partition(".")[0], "mine", "image")
    assert (shown["format"], shown["nodes"], shown["can_run"]) == ("editor", 7, None)
    assert again.json()["workflow"]["id"] == "made~a-house"
    assert as_body.json()["workflow"]["id"] == "workflow"
    assert (await client.get(f"/api/workflows/{shown['id']}/document")).json() == drawn("a.safetensors")


async def test_the_list_is_filtered_and_paged(client: httpx2.AsyncClient) -> None:
    """By words, kind and source; what comes with Hearth is always there."""
    await put_in(client, drawn("a"), "A red house")
    await put_in(client, graphs.sample("a"), "A blue house", folder="houses")
    await put_in(client, {"1": {"class_type": "SaveAudio", "inputs": {}}}, "A song")

    async def ids(**query: Any) -> list[str]:
        answer = (await client.get("/api/workflows", params=query)).json()
        assert answer["total"] >= len(answer["items"])
        assert all(set(item) == SUMMARY for item in answer["items"])
        return [item["id"] for item in answer["items"]]

    shipped = ["image-to-image", "inpaint", "text-to-image"]
    mine = ["a-red-house", "a-song", "houses~a-blue-house"]
    assert await ids(source="mine") == mine
    assert await ids(limit=6) == [*mine, *shipped]
    assert await ids(q="HOUSE blue") == ["houses~a-blue-house"]
    assert await ids(kind="audio,video", source="mine") == ["a-song"]
    assert await ids(source="shipped") == shipped
    assert await ids(source="mine", limit=1, offset=1) == ["a-song"]
    assert (await client.get("/api/workflows", params={"limit": 2, "source": "mine"})).json()["total"] == 3
    refused(await client.get("/api/workflows", params={"kind": "smell"}), 422, "invalid_request")
    refused(await client.get("/api/workflows", params={"can_run": True}), 503, "no_backend")


async def test_official_templates_stand_in_the_list(app: FastAPI, client: httpx2.AsyncClient, tmp_path: Path) -> None:
    """With what their index says of them; they are not looked through for what is missing."""
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(drawn("a")))
    entry = {"name": "a", "title": "A film", "description": "Moves.", "size": 5, "minComfyUIVersion": "0.26"}
    (folder / "index.json").write_text(json.dumps([{"title": "Films", "type": "video", "templates": [entry]}]))
    library = app.state.lifespan_state["services"].workflows
    library._templates = Shelves([library._templates, TemplateShelf(folder)])
    (item,) = (await client.get("/api/workflows", params={"source": "official", "q": "A film Moves"})).json()["items"]

    assert (item["id"], item["title"], item["kind"], item["category"]) == ("official~a", "A film", "video", "Films")
    assert (item["models_bytes"], item["min_comfyui"], item["can_run"]) == (5, "0.26", None)
    assert (await client.get("/api/workflows/official~a/document")).json() == drawn("a")
    refused(await client.delete("/api/workflows/official~a"), 409, "workflow_read_only")


async def test_without_a_comfyui_only_what_needs_one_is_refused(client: httpx2.AsyncClient) -> None:
    """The hint names the variables; a graph needs no conversion."""
    await put_in(client, drawn("a"), "Drawn")
    await put_in(client, graphs.quick(), "Graph")
    shown = (await client.get("/api/workflows/drawn")).json()

    assert shown["inputs"] is shown["schema"] is shown["missing"] is None
    assert (shown["number"], shown["problem"]["code"]) == (1, "no_backend")
    assert "COMFYUI_URL" in shown["problem"]["hint"]
    for path in ("prompt", "requirements", "snippets"):
        refused(await client.get(f"/api/workflows/drawn/{path}"), 503, "no_backend")
    refused(await client.get("/api/workflows/openapi.json"), 503, "no_backend")
    refused(await client.post("/api/workflows/drawn/requirements/download"), 503, "no_backend")
    assert (await client.get("/api/workflows/graph/prompt")).json() == graphs.quick()


async def test_nobodys_change_is_overwritten_unseen(client: httpx2.AsyncClient) -> None:
    """If-Match names the version that was read; the answer to a save has the next one."""
    made = await client.post("/api/workflows", json=drawn("a"), params={"name": "House"})
    first = made.headers["ETag"]
    saved = await client.put("/api/workflows/house", json=drawn("b"), headers={"If-Match": first})
    late = await client.put("/api/workflows/house", json=drawn("c"), headers={"If-Match": first})
    second = saved.headers["ETag"]
    weak = await client.put("/api/workflows/house", json=drawn("c"), headers={"If-Match": f'"x", W/{second}'})
    document = await client.get("/api/workflows/house/document")
    known = await client.get("/api/workflows/house/document", headers={"If-None-Match": weak.headers["ETag"]})

    assert (saved.status_code, saved.json()["number"], first != second) == (200, 2, True)
    refused(late, 412, "workflow_changed")
    assert weak.json()["number"] == 3
    assert (document.headers["ETag"], document.json()) == (weak.headers["ETag"], drawn("c"))
    assert (known.status_code, known.content) == (304, b"")
    refused(await client.put("/api/workflows/house", json={"no": "workflow"}), 422, "not_a_workflow")
    refused(await client.put("/api/workflows/none", json=drawn("a")), 404, "workflow_not_found")
    refused(await client.put("/api/workflows/inpaint", json=drawn("a")), 409, "workflow_read_only")


async def test_versions_can_be_seen_and_taken_back(client: httpx2.AsyncClient) -> None:
    """Every state is kept, the newest first."""
    await put_in(client, drawn("a"), "House")
    await client.put("/api/workflows/house", json=drawn("b"))
    found = (await client.get("/api/workflows/house/versions")).json()
    first = await client.get("/api/workflows/house/versions/1")
    back = await client.put("/api/workflows/house", json=first.json())

    assert [(each["number"], each["is_current"]) for each in found["items"]] == [(2, True), (1, False)]
    assert (found["total"], first.json()) == (2, drawn("a"))
    assert back.status_code == 200
    assert (await client.get("/api/workflows/house/document")).json() == drawn("a")
    refused(await client.get("/api/workflows/house/versions/9"), 404, "workflow_version_not_found")


async def test_a_workflow_is_renamed_deleted_and_restored(client: httpx2.AsyncClient) -> None:
    """Folder and picture go along; the trash lists it until it is back."""
    await put_in(client, drawn("a"), "House", folder="old")
    await client.put("/api/workflows/old~house/thumbnail", content=PNG)
    renamed = await client.patch("/api/workflows/old~house", json={"name": "Home"})
    moved = await client.patch("/api/workflows/old~home", json={"folder": None})
    gone = await client.delete("/api/workflows/home")
    trash = (await client.get("/api/trash/workflows")).json()
    missing = await client.get("/api/workflows/home")
    back = await client.post("/api/workflows/home/restore")

    assert (renamed.json()["id"], renamed.headers["Location"]) == ("old~home", "/api/workflows/old~home")
    assert (moved.json()["id"], moved.json()["folder"]) == ("home", None)
    assert gone.json() == trash["items"][0]
    assert (trash["total"], gone.json()["workflow_id"], gone.json()["name"]) == (1, "home", "Home")
    refused(missing, 404, "workflow_not_found")
    assert (back.status_code, back.json()["thumbnail_url"]) == (200, "/api/workflows/home/thumbnail")
    refused(await client.post("/api/workflows/home/restore"), 404, "workflow_not_in_trash")


async def test_a_picture_stands_beside_a_workflow(client: httpx2.AsyncClient) -> None:
    """What is no picture is refused, whatever it calls itself; the same picture is sent once."""
    await put_in(client, drawn("a"), "House")
    refused(await client.get("/api/workflows/house/thumbnail"), 404, "workflow_thumbnail_not_found")
    page = await client.put(
        "/api/workflows/house/thumbnail", content=b"<script>", headers={"Content-Type": "image/png"}
    )
    refused(page, 422, "not_a_workflow")
    kept = await client.put("/api/workflows/house/thumbnail", content=PNG)
    sent = await client.get("/api/workflows/house/thumbnail")
    known = await client.get("/api/workflows/house/thumbnail", headers={"If-None-Match": sent.headers["ETag"]})

    assert kept.status_code == 204
    assert (sent.content, sent.headers["content-type"]) == (PNG, "image/png")
    assert "sandbox" in sent.headers["content-security-policy"]
    assert known.status_code == 304


async def test_what_carries_nothing_is_refused_by_name(client: httpx2.AsyncClient) -> None:
    """Each with its reason; nothing is kept."""
    post = client.post
    refused(await post("/api/workflows", content=b"hello"), 422, "not_a_workflow")
    refused(await post("/api/workflows", files={"file": ("a.png", carriers.png({}))}), 422, "no_workflow_inside")
    refused(await post("/api/workflows", data={"name": "x"}, files={"other": b""}), 422, "invalid_request")
    refused(await post("/api/workflows", content=b" " * (16 * 1024**2 + 1)), 413, "body_too_large")
    await put_in(client, drawn("a"), "House")
    refused(await post("/api/workflows", json=drawn("a"), params={"name": "house"}), 409, "workflow_exists")

    assert (await client.get("/api/workflows", params={"source": "mine"})).json()["total"] == 1


async def test_who_may_generate_may_read_and_not_write(client: httpx2.AsyncClient, reader: httpx2.AsyncClient) -> None:
    """Forms and programs with a key find workflows; only managers change them."""
    await put_in(client, drawn("a"), "House")

    assert (await reader.get("/api/workflows")).status_code == 200
    assert (await reader.get("/api/workflows/house/document")).status_code == 200
    refused(await reader.post("/api/workflows", json=drawn("a")), 403, "scope_missing")
    refused(await reader.delete("/api/workflows/house"), 403, "scope_missing")
    refused(await reader.put("/api/workflows/house", json=drawn("b")), 403, "scope_missing")
