"""SIGKILL at any instant is an ordinary event: every acknowledged job ends, and no result is there twice."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import httpx2

from tests.fakes.comfyui import SimulatedComfyUI
from tests.generation import graphs
from tests.live import LiveServer

KILLS = 15
DEADLINE_S = 60
_SEED = 20261124


def submit(client: httpx2.Client, number: int) -> str | None:
    """Ask for a job under a key of its own, as a client does that tries again when it gets no answer."""
    body = {"prompt": graphs.slow(number, seconds=0.15, steps=3), "n": 1 + number % 2}
    try:
        answer = client.post("/api/generations", json=body, headers={"Idempotency-Key": f"job-{number}"})
    except httpx2.HTTPError:
        return None
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def listed(client: httpx2.Client) -> list[dict[str, Any]]:
    return client.get("/api/generations", params={"limit": 200}).json()["items"]


def test_nothing_is_lost_and_nothing_is_twice(
    make_live_server: Callable[..., LiveServer], comfyui: SimulatedComfyUI
) -> None:
    """Killed fifteen times at instants that nobody chose, and ComfyUI restarted twice in between."""
    dice = random.Random(_SEED)
    server = make_live_server(COMFYUI_URL=comfyui.url)
    acknowledged: set[str] = set()
    number = 0
    for kill in range(KILLS):
        with server.client() as client:
            for _ in range(2):
                if (job_id := submit(client, number)) is not None:
                    acknowledged.add(job_id)
                number += 1
            time.sleep(dice.uniform(0.0, 0.5))
        server.kill()
        if kill % 6 == 3:
            comfyui.restart()
        server.start()
    deadline = time.monotonic() + DEADLINE_S
    with server.client() as client:
        while any(job["state"] in ("queued", "running") for job in listed(client)) and time.monotonic() < deadline:
            time.sleep(0.1)
        jobs = listed(client)

    assert acknowledged <= {job["id"] for job in jobs}
    for job in jobs:
        assert job["state"] == "completed" or job["error"]["code"] == "attempts_exhausted", job
        if job["state"] == "completed":
            assert len(job["results"]) == job["n"]
    results = [result["id"] for job in jobs for result in job["results"]]
    assert len(set(results)) == len(results)
    assert sum(job["state"] == "completed" for job in jobs) >= len(jobs) - 2
    with server.client() as client:
        gallery = client.get("/api/gallery", params={"limit": 200}).json()["items"]
    assert sorted(item["id"] for item in gallery) == sorted(results)
