"""Open WebUI's own ComfyUI engine (0.12.4), with the requests that it was recorded to send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from tests.compat.house import CHECKPOINT, House, bearer
from tests.compat.pictures import png

RECORDED = Path(__file__).parent / "open_webui.jsonl"


def _recorded() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDED.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("slash", ["", "/"])
def test_it_generates_and_edits(house: House, slash: str) -> None:
    """Its calls in its order - socket, prompt, one look at the history, images - also where the address ends in a slash."""
    base = f"{house.url}/comfyui{slash}"
    graphs = [line["body"] for line in _recorded() if line["path"].endswith("/prompt")]
    uploads = [line for line in _recorded() if line["path"].endswith("/upload/image")]
    assert len(graphs) == 2
    assert len(uploads) == 1
    headers = {**bearer(house.key), "User-Agent": "Mozilla/5.0"}
    with httpx2.Client(headers=headers, timeout=30) as http:
        assert "CheckpointLoaderSimple" in http.get(f"{base}/object_info").json()
        for body in graphs:
            _adapt(body["prompt"])
            if "1" in body["prompt"]:
                form = {part["name"]: part["value"] for part in uploads[0]["body"] if "value" in part}
                files = {"image": (uploads[0]["body"][0]["filename"], png(), "image/png")}
                stored = http.post(f"{base}/api/upload/image", data=form, files=files).json()
                body["prompt"]["1"]["inputs"]["image"] = stored["name"]
            assert _generated(http, base, body) > 0


def _adapt(graph: dict[str, Any]) -> None:
    """Do what an admin does in Open WebUI: name a checkpoint, give the edit a workflow that can run."""
    for node in graph.values():
        if "ckpt_name" in node["inputs"]:
            node["inputs"]["ckpt_name"] = CHECKPOINT
    if "1" in graph:
        for toy in ("2", "3", "4"):
            del graph[toy]
        graph["9"]["inputs"]["images"] = ["1", 0]


def _generated(http: httpx2.Client, base: str, body: dict[str, Any]) -> int:
    address = f"{base.replace('http', 'ws', 1)}/ws?clientId={body['client_id']}"
    agent = {"Authorization": http.headers["Authorization"], "User-Agent": "Python/3.11 aiohttp/3.14.5"}
    with connect(address, additional_headers=agent, max_size=None, proxy=None) as socket:
        prompt_id = http.post(f"{base}/prompt", json=body).json()["prompt_id"]
        while True:
            frame = socket.recv(30)
            message = json.loads(frame) if isinstance(frame, str) else {"type": "binary"}
            is_over = message["type"] == "executing" and message["data"]["node"] is None
            if is_over and message["data"]["prompt_id"] == prompt_id:
                break
        outputs = http.get(f"{base}/history/{prompt_id}").json()[prompt_id]["outputs"]
    images = [image for output in outputs.values() for image in output.get("images", ())]
    for image in images:
        answer = http.get(f"{base}/view", params=image)
        assert answer.headers["Content-Type"].startswith("image/")
        assert answer.content.startswith(b"\x89PNG")
    return len(images)


def test_a_key_that_is_wrong_or_missing(house: House) -> None:
    """401 on the socket and on everything else; an empty key sends the bare word."""
    for value in ("Bearer wrong", "Bearer"):
        answer = httpx2.get(f"{house.url}/comfyui/object_info", headers={"Authorization": value}, timeout=30)
        assert answer.status_code == 401
