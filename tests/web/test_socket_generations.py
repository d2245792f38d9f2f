"""Generations over WebSocket: one's own alone, with previews as binary frames."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import InvalidStatus

from backend.events import Event
from tests.web.socket_stage import Stage, frame, real_stage  # noqa: F401 -- a fixture

pytestmark = pytest.mark.anyio

PICTURE = b"\xff\xd8picture"


def changed(job_id: str) -> Event:
    return Event("generations", "generation.changed", job_id, {"id": job_id, "state": "running"})


def preview(job_id: str) -> Event:
    data = {"id": job_id, "mime": "image/jpeg", "node_id": "3"}
    return Event("generations", "generation.preview", job_id, data, lasting=False, blob=PICTURE)


async def test_previews_come_as_binary_frames(stage: Stage) -> None:
    """Length, JSON in the shape of every frame, picture."""
    async with stage.watch("/ws/generations/mine") as client:
        first = await frame(client)
        stage.hub.publish(preview("mine"))
        told = await client.recv()

    assert (first["type"], first["data"]["id"]) == ("snapshot", "mine")
    assert isinstance(told, bytes)
    length = int.from_bytes(told[:4], "big")
    head = json.loads(told[4 : 4 + length])
    assert (head["type"], head["key"], head["data"]["mime"]) == ("generation.preview", "mine", "image/jpeg")
    assert told[4 + length :] == PICTURE


async def test_a_page_of_many_topics_gets_no_binary_frames(stage: Stage) -> None:
    """What reads JSON alone must not meet a picture."""
    async with stage.watch("/ws/live?topics=generations") as client:
        await frame(client)
        stage.hub.publish(preview("mine"))
        stage.hub.publish(changed("mine"))
        assert (await frame(client))["type"] == "generation.changed"


async def test_what_others_make_is_not_told(stage: Stage) -> None:
    """Neither its changes nor its previews, and asking for it is as if it were not there."""
    async with stage.watch("/ws/generations") as client:
        first = await frame(client)
        stage.hub.publish(changed("theirs"))
        stage.hub.publish(preview("theirs"))
        stage.hub.publish(changed("mine"))
        second = await frame(client)
    with pytest.raises(InvalidStatus) as refused:
        async with stage.watch("/ws/generations/theirs"):
            pass

    assert first["data"] == {"items": [], "total": 0, "backends": []}
    assert second["key"] == "mine"
    assert refused.value.response.status_code == 404
