"""Workflows over HTTP with a ComfyUI: their inputs, what is missing, and how one call gets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
from fastapi import FastAPI

from tests import secret_watch
from tests.api.workflows import put_in, refused, until_known
from tests.conftest import client_of, running
from tests.fakes.comfyui import SimulatedComfyUI
from tests.fakes.content import Content
from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import ModelHost
from tests.generation import graphs
from tests.generation.drawn import drawn

pytestmark = pytest.mark.anyio

MODEL = Content.safetensors(2000, seed=5)
OTHER = Content.safetensors(3000, seed=6)


@pytest.fixture(name="comfyui")
def simulated(workspace: Path) -> Iterator[SimulatedComfyUI]:
    """A simulated ComfyUI that finds what Hearth downloads."""
    checkpoints = workspace / "ComfyUI" / "models" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "here.safetensors").write_bytes(b"x")
    with SimulatedComfyUI(workspace / "ComfyUI") as server:
        yield server


@pytest.fixture(name="app")
async def generating(
    make_app: Callable[..., FastAPI], anyio_backend: object, comfyui: SimulatedComfyUI
) -> AsyncIterator[FastAPI]:
    """An application whose backend has told its nodes."""
    application = make_app(comfyui_url=comfyui.url)
    async with running(application):
        await until_known(application)
        yield application


def said(url: str, name: str = "gone.safetensors", **more: str) -> list[dict[str, str]]:
    """What a workflow says about its model."""
    return [{"name": name, "url": url, "directory": "checkpoints", **more}]


async def done(client: httpx2.AsyncClient, address: str) -> dict[str, Any]:
    """Wait until a job has ended well."""
    async with asyncio.timeout(20):
        while True:
            job = (await client.get(address)).json()
            assert job["state"] not in ("failed", "blocked"), job
            if job["state"] == "completed":
                return job
            await asyncio.sleep(0.01)


async def needs(client: httpx2.AsyncClient, workflow_id: str) -> dict[str, Any]:
    answer = await client.get(f"/api/workflows/{workflow_id}/requirements")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def download(client: httpx2.AsyncClient, workflow_id: str, *files: str) -> list[dict[str, Any]]:
    body = {"files": list(files)} if files else None
    answer = await client.post(f"/api/workflows/{workflow_id}/requirements/download", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["total"] == len(answer.json()["items"])
    return answer.json()["items"]


async def add_preset(client: httpx2.AsyncClient, *files: dict[str, Any]) -> None:
    definition = {
        "schema": 1, "id": "own-preset", "name": "Own", "category": "image", "description": "Of the test.",
        "licence": "Apache-2.0", "files": list(files),
    }  # fmt: skip
    answer = await client.post("/api/presets", json=definition)
    assert answer.status_code == 201, answer.text


def preset_file(url: str, name: str, content: Content) -> dict[str, Any]:
    return {
        "directory": "checkpoints", "name": name, "url": url, "size_bytes": content.size, "sha256": content.sha256,
    }  # fmt: skip


async def test_what_is_missing_is_shown_then_downloaded_then_there(
    client: httpx2.AsyncClient, model_host: ModelHost
) -> None:
    """From the word of the workflow to a generation, without waiting for ComfyUI's list to grow old."""
    url = model_host.put("/gone.safetensors", MODEL)
    content = drawn("gone.safetensors", models=said(url, hash=MODEL.sha256, hash_type="SHA256"))
    made = await put_in(client, content, "House")
    before = await needs(client, "house")
    (queued,) = await download(client, "house")
    await done(client, f"/api/downloads/{queued['job']['id']}")
    after = await needs(client, "house")
    (model,) = before["models"]

    assert (made["missing"], made["workflow"]["can_run"]) == ({"nodes": 0, "models": 1}, False)
    assert (before["can_run"], before["missing_models"], before["nodes"]) == (False, 1, [])
    assert (model["file"], model["directory"], model["name"]) == (
        "checkpoints/gone.safetensors",
        "checkpoints",
        "gone.safetensors",
    )
    assert (model["url"], model["source"], model["sha256"]) == (url, "workflow", MODEL.sha256)
    assert (model["installed"], model["on_disk"], model["gated"]) == (False, False, False)
    assert model["uses"] == [{"node_id": "1", "input": "ckpt_name"}]
    assert (queued["files"], queued["error"]) == (["checkpoints/gone.safetensors"], None)
    assert (after["can_run"], after["missing_models"], after["missing_bytes"]) == (True, 0, 0)
    assert (after["models"][0]["installed"], after["models"][0]["on_disk"]) == (True, True)
    assert await download(client, "house") == []
    assert (await client.get("/api/workflows", params={"can_run": True, "source": "mine"})).json()["total"] == 1
    job = await client.post("/api/generations", json={"workflow_id": "house", "inputs": {"steps": 1}})
    assert (await done(client, job.headers["Location"]))["results"]


async def test_a_preset_that_brings_just_these_files_is_taken(
    client: httpx2.AsyncClient, model_host: ModelHost
) -> None:
    """Size and licence are shown first; one job brings all."""
    url = model_host.put("/gone.safetensors", MODEL)
    await add_preset(client, preset_file(url, "gone.safetensors", MODEL))
    await put_in(client, graphs.sample("gone.safetensors"), "House")
    before = await needs(client, "house")
    (queued,) = await download(client, "house")
    (model,) = before["models"]

    assert (model["source"], model["licence"], model["size_bytes"]) == ("preset", "Apache-2.0", MODEL.size)
    assert (before["missing_bytes"], before["preset_id"]) == (MODEL.size, "own-preset")
    assert (queued["job"]["kind"], queued["job"]["preset_id"]) == ("preset", "own-preset")
    await done(client, f"/api/downloads/{queued['job']['id']}")
    assert (await needs(client, "house"))["can_run"]


async def test_a_preset_that_brings_more_is_not(client: httpx2.AsyncClient, model_host: ModelHost) -> None:
    """Only what the workflow needs is fetched from where the preset has it."""
    await add_preset(
        client,
        preset_file(model_host.put("/gone.safetensors", MODEL), "gone.safetensors", MODEL),
        preset_file(model_host.put("/more.safetensors", OTHER), "more.safetensors", OTHER),
    )
    await put_in(client, graphs.sample("gone.safetensors"), "House")
    (queued,) = await download(client, "house")

    assert (await needs(client, "house"))["preset_id"] is None
    assert (queued["job"]["kind"], queued["job"]["name"]) == ("url", "gone.safetensors")
    await done(client, f"/api/downloads/{queued['job']['id']}")


async def test_a_file_in_a_folder_of_its_own_goes_there(
    client: httpx2.AsyncClient, model_host: ModelHost, workspace: Path
) -> None:
    """Where the workflow looks for it is where it must lie."""
    url = model_host.put("/gone.safetensors", MODEL)
    await put_in(client, drawn("wan/gone.safetensors", models=said(url)), "House")
    (queued,) = await download(client, "house", "wan/gone.safetensors")
    await done(client, f"/api/downloads/{queued['job']['id']}")

    assert MODEL.is_in(workspace / "ComfyUI" / "models" / "checkpoints" / "wan" / "gone.safetensors")
    assert (await needs(client, "house"))["can_run"]


async def test_where_a_file_came_from_once_it_comes_from_again(
    client: httpx2.AsyncClient, model_host: ModelHost, workspace: Path
) -> None:
    """Hearth remembers the address and the checksum of what it has read."""
    url = model_host.put("/gone.safetensors", MODEL)
    first = await client.post("/api/downloads/start", json={"url": url, "directory": "checkpoints"})
    await done(client, first.headers["Location"])
    await asyncio.to_thread((workspace / "ComfyUI" / "models" / "checkpoints" / "gone.safetensors").unlink)
    await put_in(client, graphs.sample("gone.safetensors"), "House")
    (model,) = (await needs(client, "house"))["models"]

    assert (model["installed"], model["source"], model["sha256"]) == (False, "hash", MODEL.sha256)
    assert model["size_bytes"] == MODEL.size


async def test_files_that_cannot_be_had_are_named(client: httpx2.AsyncClient) -> None:
    """No source, or not needed at all."""
    await put_in(client, graphs.sample("gone.safetensors"), "House")
    shown = await needs(client, "house")
    (queued,) = await download(client, "house")
    wrong = await client.post("/api/workflows/house/requirements/download", json={"files": ["here.safetensors"]})

    assert (shown["models"][0]["url"], shown["missing_bytes"]) == (None, None)
    assert (queued["job"], queued["error"]["code"]) == (None, "no_source_known")
    refused(wrong, 422, "file_not_required")


async def test_hosts_are_asked_once_about_files(
    make_app: Callable[..., FastAPI], password: str, comfyui: SimulatedComfyUI, hugging_face: HuggingFaceHub
) -> None:
    """Size and checksum come from the host, and that a file is behind a licence; before a byte of it is fetched."""
    hugging_face.add("ada/open", "gone.safetensors", MODEL)
    hugging_face.add("ada/gated", "other.safetensors", OTHER)
    hugging_face.gate("ada/gated")
    address = hugging_face.public_url
    application = make_app(comfyui_url=comfyui.url, hf_endpoint=hugging_face.endpoint)
    async with running(application), client_of(application) as client:
        await until_known(application)
        token = (await client.post("/api/auth/login", json={"password": password})).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {secret_watch.watch('session token', token)}"
        for name, repo in (("gone", "ada/open"), ("other", "ada/gated")):
            url = address(repo, f"{name}.safetensors")
            await put_in(client, drawn(f"{name}.safetensors", models=said(url, f"{name}.safetensors")), name)
        shown = await needs(client, "gone")
        asked = len(hugging_face.site.requests)
        again = await needs(client, "gone")
        asked_again = len(hugging_face.site.requests)
        (behind,) = (await needs(client, "other"))["models"]
        fetched = sum(seen.method == "GET" for seen in hugging_face.cdn.host.requests)

    assert asked_again == asked >= 1
    assert shown == again
    assert (shown["missing_bytes"], shown["models"][0]["sha256"]) == (MODEL.size, MODEL.sha256)
    assert shown["models"][0]["url"] == address("ada/open", "gone.safetensors")
    assert behind["gated"]
    assert fetched == 0


async def test_missing_nodes_are_named(client: httpx2.AsyncClient) -> None:
    """Facts and documents stay readable; what needs a graph says which nodes it lacks."""
    made = await put_in(client, drawn("here.safetensors", SomebodysNode="The odd one"), "House")
    shown = await needs(client, "house")

    assert (made["missing"]["nodes"], made["inputs"], made["problem"]["code"]) == (1, None, "unknown_nodes")
    assert shown["nodes"] == [{"class_type": "SomebodysNode", "node_ids": ["90"], "titles": ["The odd one"]}]
    assert (shown["can_run"], shown["problem"]["code"]) == (False, "unknown_nodes")
    refused(await client.get("/api/workflows/house/prompt"), 422, "unknown_nodes")
    refused(await client.get("/api/workflows/house/snippets"), 422, "unknown_nodes")
    assert (await client.get("/api/workflows", params={"can_run": False, "source": "mine"})).json()["total"] == 1


async def test_inputs_are_fields_and_a_schema_that_generations_keep(client: httpx2.AsyncClient) -> None:
    """What the schema lets through, a generation takes; the graph is what would run."""
    made = await put_in(client, drawn("here.safetensors"), "House")
    prompt = (await client.get("/api/workflows/house/prompt")).json()
    inputs = {"prompt": "a cat", "seed": 3, "size": "128x64"}
    jsonschema.Draft202012Validator.check_schema(made["schema"])
    jsonschema.validate(inputs, made["schema"])
    job = await client.post("/api/generations", json={"workflow_id": "house", "inputs": inputs})

    assert [each["name"] for each in made["inputs"]][:3] == ["prompt", "negative_prompt", "seed"]
    assert made["workflow"]["can_run"]
    assert prompt["2"]["inputs"]["text"] == "a hearth"
    assert prompt["5"]["class_type"] == "KSampler"
    assert (await done(client, job.headers["Location"]))["inputs"]["prompt"] == "a cat"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"steps": "many"}, made["schema"])


async def test_each_workflow_is_an_operation(client: httpx2.AsyncClient) -> None:
    """One's own and those that come with Hearth; what cannot be converted is left out, or only what is asked for told."""
    await put_in(client, drawn("here.safetensors"), "My house", folder="a b")
    await put_in(client, drawn("here.safetensors", SomebodysNode="odd"), "Odd")
    every = (await client.get("/api/workflows/openapi.json")).json()
    one = (await client.get("/api/workflows/openapi.json", params={"ids": "a-b~my-house"})).json()
    operation = one["paths"]["/api/generations#a-b~my-house"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    call = {"workflow_id": "a-b~my-house", "inputs": {"prompt": "a cat"}}
    jsonschema.validate(call, body)

    assert list(every["paths"]) == [
        f"/api/generations#{each}" for each in ("a-b~my-house", "image-to-image", "inpaint", "text-to-image")
    ]
    assert list(one["paths"]) == ["/api/generations#a-b~my-house"]
    assert (await client.post("/api/generations#a-b~my-house", json=call)).status_code == 202
    operations = [path["post"]["operationId"] for path in every["paths"].values()]
    assert len(set(operations)) == len(operations)


async def test_snippets_name_this_hearth(client: httpx2.AsyncClient) -> None:
    """For the shell and for Python; no key is in them."""
    await put_in(client, drawn("here.safetensors"), "House")
    shown = (await client.get("/api/workflows/house/snippets")).json()

    assert "http://hearth.test/api/generations" in shown["curl"]
    assert "HEARTH_KEY" in shown["curl"]
    compile(shown["python"], "snippet", "exec")


async def test_choices_within_a_prompt_are_drawn_for_each_take(
    client: httpx2.AsyncClient, comfyui: SimulatedComfyUI
) -> None:
    """Eight takes of sixteen colours: the same one for all would be a wonder."""
    colours = "|".join(f"colour{number}" for number in range(16))
    await put_in(client, drawn("here.safetensors", f"a {{{colours}}} house"), "House")
    job = await client.post("/api/generations", json={"workflow_id": "house", "n": 8})
    await done(client, job.headers["Location"])
    texts = [body["prompt"]["2"]["inputs"]["text"] for body in comfyui.prompts]

    assert len(texts) == 8
    assert all(text.startswith("a colour") and "{" not in text for text in texts)
    assert len(set(texts)) > 1
