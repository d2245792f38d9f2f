"""The preset endpoints: shapes, codes, caching and scopes, over HTTP on the whole application."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest

from tests.api.presets import *  # noqa: F403 -- its fixtures
from tests.api.presets import DEADLINE_S, GOOD, put, refused
from tests.presets.shelf import definition, file
from tests.secret_watch import secret

pytestmark = pytest.mark.anyio


async def test_the_list_has_the_agreed_shape(installed: None, client: httpx2.AsyncClient):
    """Items, total, page and category counts; every field of an item is there."""
    answer = await client.get("/api/presets", params={"sort": "-name", "limit": 2})
    content = answer.json()
    assert answer.status_code == 200
    assert (content["total"], content["limit"], content["offset"]) == (3, 2, 0)
    assert [each["id"] for each in content["items"]] == ["wan", "sd15"]
    assert content["categories"][:2] == [
        {"id": "video", "name": "Video", "count": 1}, {"id": "image", "name": "Image", "count": 2},
    ]  # fmt: skip
    assert content["items"][1] == {
        "id": "sd15", "name": "SD 1.5", "category": "image", "description": "For tests.", "tags": [], "aliases": [],
        "size_bytes": None, "size_is_estimate": True, "bytes_missing": 0, "gated": False, "licence": None,
        "licence_url": None, "homepage": None, "min_vram_bytes": None, "workflows": [], "origin": "shipped",
        "status": "installed-unverified", "files_total": 2, "files_present": 2, "download": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("category=video", ["wan"]),
        ("q=flux", ["flux"]),
        ("q=FLUX_DEV_BASIC&unknown=1", ["flux"]),
        ("status=absent,partial", ["flux"]),
        ("tag=fp8", ["flux"]),
        ("gated=false&sort=-name&offset=1", ["sd15"]),
    ],
)
async def test_the_list_is_filtered(installed: None, client: httpx2.AsyncClient, query: str, ids: list[str]):
    """Filters, search, order and pages come by query."""
    assert [each["id"] for each in (await client.get(f"/api/presets?{query}")).json()["items"]] == ids


async def test_a_wrong_filter_is_named(client: httpx2.AsyncClient):
    """The error lists what is allowed."""
    error = await refused(await client.get("/api/presets?status=broken"), 422, "invalid_query")
    assert "installed-unverified" in error["details"]["allowed"]


@pytest.mark.parametrize("path", ["", "?q=sd", "/categories", "/sd15", "/sd15/status"])
async def test_an_unchanged_answer_is_not_sent_again(client: httpx2.AsyncClient, path: str):
    """ETag and If-None-Match, in weak and strong writing and among others."""
    first = await client.get(f"/api/presets{path}")
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = await client.get(f"/api/presets{path}", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    changed = await client.get(f"/api/presets{path}", headers={"If-None-Match": '"another"'})
    assert changed.status_code == 200


async def test_the_list_is_packed_for_those_who_can_unpack(client: httpx2.AsyncClient):
    """The same content both ways; caches are told that it depends on Accept-Encoding."""
    packed = await client.get("/api/presets", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    plain = await client.get("/api/presets", headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert int(packed.headers["Content-Length"]) == len(gzip.compress(plain.content, 6, mtime=0))
    assert packed.content == plain.content
    assert packed.headers["ETag"] == plain.headers["ETag"]
    for answer in (packed, plain):
        assert "accept-encoding" in answer.headers["Vary"].lower()


async def test_the_detail_has_its_files(installed: None, client: httpx2.AsyncClient, workspace: Path):
    """Every field of a file, with what it is shared with and why it is damaged."""
    content = (await client.get("/api/presets/sd15")).json()
    assert content["files"][1] == {
        "directory": "vae", "name": "vae.safetensors", "url": "https://models.example/vae.safetensors",
        "size_bytes": None, "size_estimate_bytes": None, "sha256": None, "licence": None, "gated": False,
        "status": "installed-unverified", "path": str(workspace / "ComfyUI/models/vae/vae.safetensors"),
        "bytes_present": len(GOOD), "problem": None, "shared_with": ["wan"],
    }  # fmt: skip
    status = (await client.get("/api/presets/sd15/status")).json()
    assert (status["id"], status["status"], status["files_present"]) == ("sd15", "installed-unverified", 2)
    assert status["files"][0]["name"] == "sd15.safetensors"


async def test_a_half_file_is_damaged_over_http(client: httpx2.AsyncClient, workspace: Path):
    """What the predecessor called installed."""
    await asyncio.to_thread(put, workspace, "checkpoints/sd15.safetensors")
    path = workspace / "ComfyUI/models/checkpoints/sd15.safetensors"
    await asyncio.to_thread(path.write_bytes, GOOD[: len(GOOD) // 2])
    async with asyncio.timeout(DEADLINE_S):
        while (shown := (await client.get("/api/presets/sd15")).json())["status"] != "damaged":
            await asyncio.sleep(0.05)
    assert "instead of" in shown["files"][0]["problem"]


async def test_older_ids_resolve_and_given_up_ones_say_why(client: httpx2.AsyncClient):
    """Aliases in any case lead here; retired is 410 with reason and successor; unknown is 404."""
    for asked in ("FLUX_DEV_BASIC", "flux_dev_basic", "FLUX"):
        assert (await client.get(f"/api/presets/{asked}")).json()["id"] == "flux"
    for path in ("OLD", "old/status"):
        error = await refused(await client.get(f"/api/presets/{path}"), 410, "preset_retired")
        assert error["details"]["reason"] == "Its files are gone."
        assert error["details"]["successor"] == "sd15"
    await refused(await client.get("/api/presets/nobody"), 404, "preset_not_found")
    await refused(await client.get("/api/presets/..%2F..%2Fetc"), 404, "no_such_page")


async def test_categories_are_counted(installed: None, client: httpx2.AsyncClient):
    """How many there are and how many are installed."""
    content = (await client.get("/api/presets/categories")).json()
    assert content["total"] == 5
    assert content["items"][0] == {"id": "video", "name": "Video", "count": 1, "installed": 1}


async def test_a_check_can_be_waited_for_followed_and_stopped(installed: None, client: httpx2.AsyncClient):
    """202 and a place to look, or the whole result; files carry their status."""
    await refused(await client.get("/api/presets/sd15/verify"), 404, "verification_not_found")
    begun = await client.post("/api/presets/FLUX_DEV_BASIC/verify")
    assert (begun.status_code, begun.headers["Location"]) == (202, "/api/presets/flux/verify")
    ended = await client.post("/api/presets/sd15/verify", params={"wait": "true"})
    assert ended.status_code == 200
    content = ended.json()
    assert (content["state"], content["bytes_done"], content["progress_ratio"]) == ("completed", 2 * len(GOOD), 1.0)
    assert [(each["name"], each["outcome"], each["status"]) for each in content["files"]] == [
        ("sd15.safetensors", "matches", "installed"),
        ("vae.safetensors", "recorded", "installed-unverified"),
    ]
    assert (await client.get("/api/presets/sd15/verify")).json() == content
    assert (await client.delete("/api/presets/sd15/verify")).json()["state"] == "completed"


async def test_files_are_removed_and_restored(installed: None, client: httpx2.AsyncClient, workspace: Path):
    """Dry run, removal with what stays and why, undo by id."""
    planned = (await client.delete("/api/presets/sd15?dry_run=true")).json()
    assert (planned["dry_run"], planned["removal_id"], planned["bytes_freed"]) == (True, None, len(GOOD))
    done = (await client.delete("/api/presets/sd15")).json()
    assert [Path(each["path"]).name for each in done["files"]] == ["sd15.safetensors"]
    assert [(Path(each["path"]).name, each["needed_by"], each["reason"]) for each in done["kept"]] == [
        ("vae.safetensors", ["wan"], "Needed by wan."),
    ]  # fmt: skip
    assert (await client.get("/api/presets/sd15")).json()["status"] == "partial"
    await refused(await client.post("/api/presets/sd15/restore", json={"removal_id": "x"}), 404, "nothing_to_restore")
    undone = await client.post("/api/presets/sd15/restore", json={"removal_id": done["removal_id"]})
    assert undone.json() == {
        "preset_id": "sd15", "paths": [str(workspace / "ComfyUI/models/checkpoints/sd15.safetensors")],
    }  # fmt: skip
    assert (await client.get("/api/presets/sd15")).json()["status"] == "installed-unverified"
    await refused(await client.post("/api/presets/sd15/restore"), 404, "nothing_to_restore")


async def test_own_presets_live_from_create_to_delete(client: httpx2.AsyncClient, workspace: Path):
    """Created, refused twice, replaced, removed with its definition; it is a readable file meanwhile."""
    mine = definition("mine", file("mine.safetensors"))
    made = await client.post("/api/presets", json=mine)
    assert (made.status_code, made.headers["Location"]) == (201, "/api/presets/mine")
    assert (made.json()["origin"], made.json()["status"]) == ("user", "absent")
    kept = await asyncio.to_thread((workspace / "config" / "presets" / "mine.json").read_text)
    assert json.loads(kept)["id"] == "mine"
    await refused(await client.post("/api/presets", json=mine), 409, "preset_exists")
    assert (await client.put("/api/presets/mine", json={**mine, "name": "Better"})).json()["name"] == "Better"
    await refused(await client.put("/api/presets/sd15", json=mine), 422, "invalid_preset")
    await refused(await client.delete("/api/presets/sd15?definition=true"), 409, "preset_shipped")
    assert (await client.delete("/api/presets/mine?definition=true")).json()["definition_removed"]
    await refused(await client.get("/api/presets/mine"), 404, "preset_not_found")


async def test_a_definition_that_leaves_the_fence_is_refused(client: httpx2.AsyncClient, workspace: Path):
    """No path outside, no secret echoed, no endless body; nothing is written."""
    token = secret("token in a preset address", "hf_")
    for bad in (
        definition("evil", file("../../x.safetensors")),
        definition("evil", file("x.safetensors", "../outside")),
        definition("evil", file("x.safetensors", "custom_nodes")),
        definition("evil", file("x.safetensors", url=f"https://h/x?token={token}")),
        {**definition("evil"), "id": "../evil"},
    ):
        answer = await client.post("/api/presets", json=bad)
        assert (await refused(answer, 422, "invalid_preset"))["details"]["problems"]
        assert token not in answer.text
    await refused(await client.post("/api/presets", content=b"{"), 422, "invalid_preset")
    too_long = await client.post("/api/presets", content=b" " * (3 << 20))
    assert too_long.status_code in (413, 422)
    assert await asyncio.to_thread(lambda: list((workspace / "config").glob("presets/**/*.json"))) == []


async def test_an_update_without_an_address_names_the_variable(client: httpx2.AsyncClient):
    """The hint says what to set."""
    error = await refused(await client.post("/api/presets/update"), 409, "catalog_url_missing")
    assert "PRESET_CATALOG_URL" in error["hint"]


async def test_answers_keep_what_the_documentation_promises(installed: None, client: httpx2.AsyncClient):
    """Each answer fits the schema that OpenAPI publishes for it, and nothing more is in it."""
    document = (await client.get("/openapi.json")).json()

    def check(content: Any, method: str, path: str, status: str) -> None:
        operation = document["paths"][f"/api/presets{path}"][method]
        schema = operation["responses"][status]["content"]["application/json"]["schema"]
        whole = {**schema, "components": document["components"]}
        jsonschema.validate(content, whole)
        name = schema["$ref"].rpartition("/")[2]
        assert content.keys() == document["components"]["schemas"][name]["properties"].keys()

    get = {"": "", "/categories": "/categories", "/sd15": "/{preset_id}", "/sd15/status": "/{preset_id}/status"}
    for path, template in get.items():
        check((await client.get(f"/api/presets{path}")).json(), "get", template, "200")
    verified = await client.post("/api/presets/sd15/verify?wait=true")
    check(verified.json(), "post", "/{preset_id}/verify", "200")
    check((await client.delete("/api/presets/sd15")).json(), "delete", "/{preset_id}", "200")
    check((await client.post("/api/presets/sd15/restore")).json(), "post", "/{preset_id}/restore", "200")
    check((await client.post("/api/presets", json=definition("m"))).json(), "post", "", "201")
    parameters = document["paths"]["/api/presets"]["get"]["parameters"]
    assert [each["name"] for each in parameters] == [
        "category", "q", "status", "tag", "gated", "sort", "limit", "offset",
    ]  # fmt: skip
