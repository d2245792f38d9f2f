"""The gallery over HTTP on the whole application: shapes, ranges, tags, safety headers, scopes and owners."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from PIL import Image

from backend.generation.job import Owner
from tests.conftest import client_of
from tests.generation.results import rig
from tests.generation.results.rig import ALICE, House, Shelf
from tests.secret_watch import watch

pytestmark = pytest.mark.anyio


@pytest.fixture
def house(app: FastAPI) -> House:
    """The results of the application."""
    services = app.state.lifespan_state["services"]
    return House(services.results, services.settings.workspace / "outputs", services.database, Shelf())


@asynccontextmanager
async def key_client(
    app: FastAPI, client: httpx2.AsyncClient, scope: str
) -> AsyncIterator[tuple[httpx2.AsyncClient, Owner]]:
    """A program with a key of its own, and who that is."""
    made = (await client.post("/api/auth/keys", json={"name": scope, "scope": scope})).json()
    headers = {"Authorization": f"Bearer {watch('API key', made['key'])}"}
    async with client_of(app, headers=headers) as program:
        yield program, Owner(f"key:{made['id']}", scope)


def refused(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["hint"]
    return error


async def test_the_list_has_the_agreed_shape(house: House, client: httpx2.AsyncClient) -> None:
    """Items, total and next; every field of an item is there; filters and cursors go by the address."""
    (a,) = await house.keep({"a.png": rig.png(1)}, "job1")
    await house.keep({"b.wav": rig.wav()}, "job2")
    first = (await client.get("/api/gallery", params={"limit": 1})).json()
    second = (await client.get("/api/gallery", params={"limit": 1, "cursor": first["next"]})).json()

    assert (first["total"], second["total"], second["next"]) == (2, 2, None)
    assert [each["name"] for each in (*first["items"], *second["items"])] == ["b.wav", "a.png"]
    assert second["items"][0] == {
        "id": a.id, "job_id": "job1", "kind": "image", "mime": "image/png", "name": "a.png",
        "url": f"/api/gallery/{a.id}/file", "thumbnail_url": f"/api/gallery/{a.id}/thumbnail", "width": 64, "height": 48,
        "duration_s": None, "bytes": a.bytes, "sha256": a.sha256, "text": None, "title": "Title", "workflow_id": "flux",
        "workflow_version": "3", "prompt": "a Ünicorn in fog", "models": ["sd/tiny.safetensors"], "seed": 2**64 - 1,
        "created_at": "2026-11-24T12:00:00.000000+00:00", "favourite": False, "rating": 0, "trashed_at": None,
        "removal_id": None, "remote": None,
    }  # fmt: skip
    for filters, found in (
        ({"kind": "audio,video"}, 1), ({"q": "ÜNICORN fog"}, 2), ({"q": "nothing"}, 0), ({"workflow": "flux"}, 2),
        ({"model": "sd/tiny.safetensors"}, 2), ({"job_id": "job2"}, 1), ({"since": "2026-11-25"}, 0),
        ({"until": "2026-11-24"}, 2), ({"favourite": "true"}, 0), ({"rating": 1}, 0), ({"trashed": "true"}, 0),
    ):  # fmt: skip
        assert (await client.get("/api/gallery", params=filters)).json()["total"] == found, filters
    for wrong in ({"kind": "paper"}, {"cursor": "x"}, {"since": "soon"}):
        refused(await client.get("/api/gallery", params=wrong), 422, "invalid_gallery_query")


async def test_a_file_comes_whole_in_parts_or_not_at_all(house: House, client: httpx2.AsyncClient) -> None:
    """Ranges for players, tags for browsers that have it already, and for ever: a result never changes."""
    content = rig.mp4()
    (kept,) = await house.keep({"fog.mp4": content})
    url = f"/api/gallery/{kept.id}/file"
    whole = await client.get(url)
    part = await client.get(url, headers={"Range": "bytes=4-7"})
    none = await client.get(url, headers={"If-None-Match": whole.headers["etag"]})

    assert (whole.content, whole.headers["content-type"]) == (content, "video/mp4")
    assert whole.headers["etag"] == f'"{kept.sha256}"'
    assert whole.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert whole.headers["content-disposition"] == 'inline; filename="fog.mp4"'
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert part.headers["content-range"] == f"bytes 4-7/{len(content)}"
    assert (none.status_code, none.content) == (304, b"")
    saved = await client.get(url, params={"download": True})
    assert saved.headers["content-disposition"].startswith("attachment;")
    refused(await client.get("/api/gallery/nothing/file"), 404, "result_not_found")
    (house.outputs / str(kept.path)).unlink()
    refused(await client.get(url), 410, "result_gone")


async def test_no_result_is_ever_a_page(house: House, client: httpx2.AsyncClient) -> None:
    """Markup is saved and not shown, types are not guessed, nothing may run."""
    contents = {
        "a.svg": b"<svg onload='x'></svg>",
        "b.html": b"<!doctype html><script>",
        "c.png": b"<html>",
        "d.json": b"{}",
    }
    kept = await house.keep({**contents, 'ü "x".txt': "Wörter".encode()})
    answers = [await client.get(f"/api/gallery/{each.id}/file") for each in kept]

    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert [answer.headers["content-disposition"].split(";")[0] for answer in answers] == [
        *["attachment"] * 4,
        "inline",
    ]
    assert [answer.headers["content-type"] for answer in answers] == [
        "image/svg+xml", *["application/octet-stream"] * 3, "text/plain; charset=utf-8",
    ]  # fmt: skip
    assert answers[4].headers["content-disposition"].endswith("filename*=UTF-8''%C3%BC%20_x_.txt")


async def test_pictures_come_small_and_converted(house: House, client: httpx2.AsyncClient) -> None:
    """Cached for ever under their own tags; what cannot be converted says so."""
    picture, sound, bomb = await house.keep(
        {"a.png": rig.picture(size=(1024, 512)), "b.wav": rig.wav(), "c.png": rig.bomb()}
    )
    small = await client.get(f"/api/gallery/{picture.id}/thumbnail")
    assert Image.open(io.BytesIO(small.content)).size == (512, 256)
    assert small.headers["content-type"] == "image/webp"
    again = await client.get(
        f"/api/gallery/{picture.id}/thumbnail", headers={"If-None-Match": f"W/{small.headers['etag']}"}
    )
    assert again.status_code == 304
    url = f"/api/gallery/{picture.id}/file"
    tags = {small.headers["etag"]}
    for wanted in ("jpeg", "webp", "avif", "png"):
        answer = await client.get(url, params={"format": wanted, "quality": 50})
        assert answer.headers["content-type"] == f"image/{wanted}"
        assert Image.open(io.BytesIO(answer.content)).size == (1024, 512)
        assert answer.headers["content-disposition"] == f'inline; filename="a.{wanted}"'
        tags.add(answer.headers["etag"])
    assert len(tags) == 5
    same = await client.get(url, params={"format": "png", "quality": 50}, headers={"If-None-Match": ", ".join(tags)})
    assert same.status_code == 304

    refused(await client.get(f"/api/gallery/{sound.id}/thumbnail"), 404, "no_thumbnail")
    refused(await client.get(f"/api/gallery/{sound.id}/file", params={"format": "png"}), 422, "format_not_offered")
    refused(await client.get(f"/api/gallery/{bomb.id}/thumbnail"), 422, "picture_refused")
    refused(await client.get(url, params={"format": "exe"}), 422, "invalid_request")
    refused(await client.get(url, params={"format": "png", "quality": 101}), 422, "invalid_request")


async def test_opinions_removals_and_undo(house: House, client: httpx2.AsyncClient) -> None:
    """Judge, show, throw away in bulk and alone, bring back, empty."""
    a, b = await house.keep({"a.png": rig.png(1), "b.png": rig.png(2)})
    judged = (await client.patch(f"/api/gallery/{a.id}", json={"favourite": True, "rating": 5})).json()
    assert (judged["favourite"], judged["rating"]) == (True, 5)
    refused(await client.patch(f"/api/gallery/{a.id}", json={"rating": 6}), 422, "invalid_request")
    detail = (await client.get(f"/api/gallery/{a.id}")).json()
    assert (detail["item"], detail["making"]["graph"]) == (judged, rig.GRAPH)
    request = (await client.get(f"/api/gallery/{a.id}/request")).json()
    assert request == {"workflow_id": "flux", "inputs": {"steps": 4}, "seed": 2**64 - 1}
    assert "prompt" in (await client.get(f"/api/gallery/{a.id}/request", params={"exact": True})).json()

    removed = await client.request("DELETE", "/api/gallery", json={"ids": [a.id, b.id, "nothing"]})
    assert sorted(removed.json()["ids"]) == sorted([a.id, b.id])
    assert (await client.get("/api/gallery")).json()["total"] == 0
    restored = await client.post("/api/gallery/restore", json={"removal_id": removed.json()["removal_id"]})
    assert sorted(restored.json()["ids"]) == sorted([a.id, b.id])
    refused(await client.post("/api/gallery/restore", json={}), 422, "invalid_gallery_query")
    refused(await client.post("/api/gallery/restore", json={"ids": [a.id]}), 404, "removal_not_found")
    assert (await client.delete(f"/api/gallery/{b.id}")).json()["ids"] == [b.id]
    assert (await client.post("/api/gallery/trash/empty")).json() == {"deleted": 1, "bytes": b.bytes}
    assert [each["id"] for each in (await client.get("/api/gallery")).json()["items"]] == [a.id]
    assert (await client.post("/api/gallery/rebuild")).json() == {"found": 1, "added": 0, "dropped": 0}


async def test_an_archive_is_sent_while_it_is_written(house: House, client: httpx2.AsyncClient) -> None:
    """Without a length, because nobody knows it yet."""
    kept = await house.keep({"a.png": rig.png(1), "b.txt": b"words"})
    answer = await client.post("/api/gallery/zip", json={"ids": [each.id for each in kept]})
    archive = zipfile.ZipFile(io.BytesIO(answer.content))

    assert answer.headers["content-type"] == "application/zip"
    assert "content-length" not in answer.headers
    assert sorted(archive.namelist()) == ["a.png", "b.txt"]
    assert archive.testzip() is None
    refused(await client.post("/api/gallery/zip", json={"ids": ["nothing"]}), 404, "result_not_found")
    refused(await client.post("/api/gallery/zip", json={"ids": []}), 422, "invalid_request")


async def test_programs_see_their_own(app: FastAPI, house: House, client: httpx2.AsyncClient) -> None:
    """A key sees what it made and may judge and remove it; one that only reads changes nothing; `manage` sees all."""
    async with (
        key_client(app, client, "generate") as (maker, owner),
        key_client(app, client, "read") as (reader, looker),
    ):
        (own,) = await house.keep({"own.png": rig.png(1)}, "job1", owner)
        (other,) = await house.keep({"other.png": rig.png(2)}, "job2", ALICE)
        (seen,) = await house.keep({"seen.png": rig.png(3)}, "job3", looker)
        assert (await client.get("/api/gallery")).json()["total"] == 3
        assert [each["id"] for each in (await maker.get("/api/gallery")).json()["items"]] == [own.id]
        assert [each["id"] for each in (await reader.get("/api/gallery")).json()["items"]] == [seen.id]
        for method, path in (
            ("GET", ""), ("GET", "/file"), ("GET", "/thumbnail"), ("GET", "/request"), ("GET", "/file?format=png"),
            ("DELETE", ""),
        ):  # fmt: skip
            refused(await maker.request(method, f"/api/gallery/{other.id}{path}"), 404, "result_not_found")
        refused(await maker.patch(f"/api/gallery/{other.id}", json={"rating": 1}), 404, "result_not_found")
        refused(await maker.post("/api/gallery/zip", json={"ids": [other.id]}), 404, "result_not_found")
        refused(await maker.post("/api/gallery/rebuild"), 403, "scope_missing")
        refused(await reader.patch(f"/api/gallery/{seen.id}", json={"rating": 1}), 403, "scope_missing")
        refused(await reader.delete(f"/api/gallery/{seen.id}"), 403, "scope_missing")
        assert (await maker.delete(f"/api/gallery/{own.id}")).status_code == 200
        assert (await maker.post("/api/gallery/trash/empty")).json()["deleted"] == 1
