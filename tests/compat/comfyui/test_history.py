"""What somebody takes out of the history stays out, over a restart too, and is gone for nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compat.comfyui.graphs import save
from tests.compat.comfyui.speaker import Speaker
from tests.fakes.comfyui import SimulatedComfyUI
from tests.live import LiveServer
from tests.secret_watch import watch


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[SimulatedComfyUI]:
    """A ComfyUI that outlives Hearth."""
    with SimulatedComfyUI(tmp_path / "simulated") as comfyui:
        yield comfyui


def _key(server: LiveServer, scope: str) -> str:
    with server.client() as client:
        return watch("API key", client.post("/api/auth/keys", json={"name": scope, "scope": scope}).json()["key"])


def _made(base: str, key: str, colour: int) -> str:
    with Speaker(base, key) as speaker:
        prompt_id = speaker.queue_prompt(save(colour))
        speaker.until_over(prompt_id)
        return prompt_id


def test_what_was_deleted_stays_deleted_over_a_restart(
    make_live_server: Callable[..., LiveServer], comfyui: SimulatedComfyUI
) -> None:
    """One is deleted, then all are cleared; another one's history, and what comes later, are untouched."""
    server = make_live_server(COMFYUI_URL=comfyui.url)
    base = f"{server.url}/comfyui"
    mine, chief = _key(server, "generate"), _key(server, "manage")
    speaker, other = Speaker(base, mine), Speaker(base, chief)
    first, second = _made(base, mine, 1), _made(base, mine, 2)
    assert speaker.ask("/history", {"delete": [first, "unknown"]})[0] == 200
    server.stop()
    server.start()
    assert [*speaker.json("/history")] == [second]
    assert speaker.json(f"/history/{first}") == {}

    assert speaker.ask("/history", {"clear": True})[0] == 200
    third = _made(base, mine, 3)
    server.stop()
    server.start()
    assert [*speaker.json("/history")] == [third]
    assert speaker.json(f"/history/{second}") == {}
    assert [*other.json("/history")] == [first, second, third]
    with server.client() as client:
        assert client.get("/api/gallery").json()["total"] == 3


def test_nobody_deletes_what_they_may_not_see(
    make_live_server: Callable[..., LiveServer], comfyui: SimulatedComfyUI
) -> None:
    """Nor what has not ended: its record comes when it has."""
    server = make_live_server(COMFYUI_URL=comfyui.url)
    base = f"{server.url}/comfyui"
    mine, theirs = _key(server, "generate"), _key(server, "generate")
    speaker, stranger = Speaker(base, mine), Speaker(base, theirs)
    made = _made(base, mine, 1)
    comfyui.hold()
    with Speaker(base, mine) as waiting:
        running = waiting.queue_prompt(save(2))
        assert speaker.ask("/history", {"delete": [running]})[0] == 200
        assert stranger.ask("/history", {"delete": [made]})[0] == 200
        assert stranger.ask("/history", {"clear": True})[0] == 200
        comfyui.release()
        waiting.until_over(running)

    assert [*speaker.json("/history")] == [made, running]
