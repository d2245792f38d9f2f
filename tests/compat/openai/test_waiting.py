"""Long waits, and requests that come twice."""

from __future__ import annotations

import httpx2
import pytest

from tests.compat.house import House


def test_a_stream_is_never_silent_for_long(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment keeps proxies calm, and means nothing to clients."""
    monkeypatch.setattr("backend.compat.desk.IDLE_S", 0.1)
    house.comfyui.hold()
    body = {"prompt": "a fox", "stream": True, "size": "64x64", "steps": 1}
    with house.client() as client, client.stream("POST", "/v1/images/generations", json=body) as answer:
        lines = answer.iter_lines()
        first = next(lines)
        house.comfyui.release()
        rest = [line for line in lines if line]

    assert first.startswith(":")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    assert "event: image_generation.completed" in rest


def test_the_same_request_under_one_key_is_one_job(house: House) -> None:
    """A client that lost the answer asks again and gets it."""
    body = {"prompt": "a fox", "size": "64x64", "steps": 1}
    headers = {"Idempotency-Key": "once"}
    with house.client() as client:
        first = client.post("/v1/images/generations", json=body, headers=headers).json()
        again = client.post("/v1/images/generations", json=body, headers=headers).json()
        other = client.post("/v1/images/generations", json={**body, "prompt": "a wolf"}, headers=headers)

    assert again["data"] == first["data"]
    assert len(house.comfyui.prompts) == 1
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")


def test_results_are_in_the_gallery_under_who_asked(house: House) -> None:
    """And their addresses open with the key that asked, in the format that was wanted."""
    body = {"prompt": "a fox", "size": "64x64", "steps": 1, "response_format": "url", "output_format": "webp"}
    with house.client() as client, house.client(house.new_key("generate")) as stranger:
        url = client.post("/v1/images/generations", json=body).json()["data"][0]["url"]
        mine, theirs = client.get(url), stranger.get(url)
        listed = client.get("/api/gallery").json()

    assert (mine.status_code, mine.headers["content-type"]) == (200, "image/webp")
    assert theirs.status_code == 404
    assert listed["total"] == 1
    assert httpx2.get(url).status_code == 401
