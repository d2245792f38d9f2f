"""What becomes of jobs whose client goes away before they end: the key says whether they end with its socket."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from backend.compat.comfyui.presence import GRACE_S
from tests.compat.comfyui.graphs import save, slow
from tests.compat.comfyui.speaker import Speaker
from tests.compat.house import House
from tests.fakes.comfyui import SimulatedComfyUI
from tests.live import LiveServer
from tests.secret_watch import watch

_DEADLINE_S = 30


@pytest.fixture
def key(house: House) -> str:
    """A key of which the jobs end with the socket."""
    return house.new_key("generate", cancel_on_disconnect=True)


def _becomes(client: httpx2.Client, job_id: str, state: str) -> None:
    """Wait until the job has ended, and hold it to *state*."""
    deadline = time.monotonic() + _DEADLINE_S
    while (job := client.get(f"/api/generations/{job_id}").json())["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    assert job["state"] == state, job


@pytest.fixture
def watcher(house: House) -> Iterator[httpx2.Client]:
    """Who sees every job."""
    with house.client(house.token) as client:
        yield client


@pytest.mark.parametrize("go", [Speaker.hang_up, Speaker.crash])
def test_a_clients_jobs_end_with_its_socket_when_the_key_says_so(
    house: House, base: str, key: str, watcher: httpx2.Client, go: Callable[[Speaker], None]
) -> None:
    """What waits and what runs, if it was sent with this client's id; whatever else the same key wants goes on."""
    house.comfyui.hold()
    other = Speaker(base, key)
    with Speaker(base, key) as leaver:
        running = leaver.queue_prompt(slow(seconds=1))
        leaver.until("execution_start")
        waiting = leaver.queue_prompt(save(1))
        others = other.queue_prompt(save(2))
        go(leaver)
        _becomes(watcher, waiting, "cancelled")
    house.comfyui.release()
    _becomes(watcher, running, "cancelled")

    _becomes(watcher, others, "completed")


def test_jobs_of_every_other_key_go_on(house: House, base: str, key: str, watcher: httpx2.Client, ada: Speaker) -> None:
    """Ada's socket closes first; when the other's job has been cancelled, hers still waits, and then runs."""
    house.comfyui.hold()
    kept = [ada.queue_prompt(slow(seconds=0)), ada.queue_prompt(save(1))]
    ada.until("execution_start")
    with Speaker(base, key) as leaver:
        lost = leaver.queue_prompt(save(2))
        ada.hang_up()
    _becomes(watcher, lost, "cancelled")
    house.comfyui.release()

    for job_id in kept:
        _becomes(watcher, job_id, "completed")


@pytest.mark.parametrize("again", ["back in time", "still there"])
def test_a_client_that_comes_back_or_has_another_socket_keeps_its_jobs(
    house: House, base: str, key: str, watcher: httpx2.Client, again: str
) -> None:
    """Another one leaves after it: when that one's job has been cancelled, this one's has not."""
    house.comfyui.hold()
    with Speaker(base, key) as first, Speaker(base, house.new_key("generate", cancel_on_disconnect=True)) as leaver:
        kept, lost = first.queue_prompt(save(1)), leaver.queue_prompt(save(2))
        if again == "back in time":
            first.hang_up()
        with Speaker(base, key, first.client_id) as second:
            first.hang_up()
            leaver.hang_up()
            _becomes(watcher, lost, "cancelled")
            house.comfyui.release()
            second.until_over(kept)

    _becomes(watcher, kept, "completed")


def test_what_was_sent_after_the_socket_closed_goes_on(
    house: House, base: str, key: str, watcher: httpx2.Client
) -> None:
    """Who asks for the history instead of listening never had a socket to lose."""
    house.comfyui.hold()
    with Speaker(base, key) as leaver:
        leaver.queue_prompt(slow(seconds=0))
        leaver.until("execution_start")
        before = leaver.queue_prompt(save(1))
    after = leaver.queue_prompt(save(2))
    _becomes(watcher, before, "cancelled")
    house.comfyui.release()

    _becomes(watcher, after, "completed")


def test_what_is_sent_while_the_socket_is_cleared_away_goes_on(
    house: House, base: str, key: str, watcher: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a socket counts from when it was heard, however long its duties take to end."""
    leaving, sent = threading.Event(), threading.Event()

    async def follow(_self: object) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            leaving.set()
            while not sent.is_set():
                await asyncio.sleep(0.005)
            raise

    monkeypatch.setattr("backend.compat.comfyui.socket._Connection._follow", follow)
    house.comfyui.hold()
    with Speaker(base, key) as leaver:
        leaver.queue_prompt(slow(seconds=0))
        leaver.until("execution_start")
        before = leaver.queue_prompt(save(1))
    assert leaving.wait(_DEADLINE_S)
    after = leaver.queue_prompt(save(2))
    sent.set()
    _becomes(watcher, before, "cancelled")
    house.comfyui.release()

    _becomes(watcher, after, "completed")


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[SimulatedComfyUI]:
    """A ComfyUI that outlives Hearth."""
    with SimulatedComfyUI(tmp_path / "simulated") as comfyui:
        yield comfyui


def _leaver(server: LiveServer) -> Speaker:
    with server.client() as client:
        body = {"name": "farm", "scope": "generate", "cancel_on_disconnect": True}
        key = watch("API key", client.post("/api/auth/keys", json=body).json()["key"])
    return Speaker(f"{server.url}/comfyui", key)


def _uncancelled(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        assert "cancel" not in line
        yield line


def test_a_server_that_stops_is_no_client_that_leaves(
    make_live_server: Callable[..., LiveServer], comfyui: SimulatedComfyUI
) -> None:
    """Though somebody keeps it from stopping for longer than a client may be away; after the next start the job ends well."""
    server = make_live_server(COMFYUI_URL=comfyui.url)
    comfyui.hold()
    with _leaver(server) as speaker, server.client() as watcher:
        job_id = speaker.queue_prompt(slow(seconds=0))
        speaker.until("execution_start")
        with watcher.stream("GET", f"/api/generations/{job_id}/events", timeout=GRACE_S + 1.5) as events:
            lines = events.iter_lines()
            next(lines)
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            with pytest.raises(ConnectionClosed) as closed:
                speaker.until("the end")
            with pytest.raises(httpx2.ReadTimeout):
                list(_uncancelled(lines))
        stopping.join()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    server.start()
    comfyui.release()

    with server.client() as client:
        _becomes(client, job_id, "completed")


def test_a_client_that_left_just_before_a_stop_is_forgotten(
    make_live_server: Callable[..., LiveServer], comfyui: SimulatedComfyUI
) -> None:
    """It could not have come back in time; its job goes on after the next start."""
    server = make_live_server(COMFYUI_URL=comfyui.url)
    comfyui.hold()
    with _leaver(server) as speaker:
        job_id = speaker.queue_prompt(slow(seconds=0))
        speaker.until("execution_start")
    server.stop()
    server.start()
    comfyui.release()

    with server.client() as client:
        _becomes(client, job_id, "completed")
