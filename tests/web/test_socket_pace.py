"""Numbers come at a pace that a client can follow, changes at once, and no client slows another."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from backend.events.hub import MAX_PENDING
from backend.web import socket as sockets
from tests.web.socket_stage import Stage, changed, closing, collect, frame, progress, real_stage, until  # noqa: F401 -- real_stage is the fixture

pytestmark = pytest.mark.anyio


async def test_progress_comes_ten_times_a_second_at_most_and_changes_at_once(stage: Stage) -> None:
    """Three busy downloads share the ten frames, each with its newest number; a change does not wait for its turn."""
    got: list[tuple[float, dict[str, Any]]] = []
    async with stage.watch() as client:
        await frame(client)
        reader = asyncio.create_task(collect(client, got))
        begin, number = time.monotonic(), 0
        while (now := time.monotonic()) - begin < 1.5:
            number += 1
            for name in ("a", "b", "c"):
                stage.hub.publish(progress(name, number))
            if number % 50 == 0:
                stage.hub.publish(changed("x", str(now)))
            await asyncio.sleep(0.002)
        for name in ("a", "b", "c"):
            stage.hub.publish(progress(name, 10**9))
            await until(
                lambda name=name: any(f["key"] == name and f["data"].get("bytes_done") == 10**9 for _, f in got)
            )  # type: ignore[misc]
        reader.cancel()
        await asyncio.wait([reader])
    frames = [f for _, f in got if f["type"] == "download.progress"]
    delays = [at - float(f["data"]["state"]) for at, f in got if f["type"] == "download.changed"]

    assert 6 <= len(frames) <= 25
    assert {f["key"] for f in frames[:4]} == {"a", "b", "c"}
    for name in ("a", "b", "c"):
        numbers = [f["data"]["bytes_done"] for f in frames if f["key"] == name]
        assert numbers == sorted(numbers)
        assert len(numbers) >= 2
    assert len(delays) >= 2
    assert sorted(delays)[len(delays) // 2] < 0.25


async def test_no_change_is_ever_dropped(stage: Stage) -> None:
    """Whatever progress goes on beside them, all arrive, in order and without a gap."""
    async with stage.watch() as client:
        await frame(client)
        for number in range(2000):
            stage.hub.publish(progress("job1", number))
            stage.hub.publish(changed(f"job{number}", "completed"))
            if number % 200 == 0:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        numbers: list[int] = []
        while len(numbers) < 2000:
            told = await frame(client)
            if told["type"] == "download.changed":
                numbers.append(told["seq"])

    assert numbers == list(range(1, 2001))


async def test_a_client_that_lost_something_is_served_the_state_afresh(stage: Stage) -> None:
    """More changes at once than may wait: one snapshot instead of them, with the number of the last."""
    async with stage.watch() as client:
        await frame(client)
        for number in range(MAX_PENDING + 10):
            stage.hub.publish(changed(f"job{number}", "completed"))
        again = await frame(client)
        stage.hub.publish(changed("job1", "failed"))
        change = await frame(client)

    assert (again["type"], again["seq"]) == ("snapshot", MAX_PENDING + 10)
    assert (change["type"], change["seq"]) == ("download.changed", MAX_PENDING + 11)


async def test_a_job_that_vanished_meanwhile_ends_its_socket(stage: Stage) -> None:
    """A client of one job that must be served afresh learns that the job is gone."""
    async with stage.watch("/ws/downloads/job1") as client:
        await frame(client)
        del stage.downloads.jobs["job1"]
        for _ in range(MAX_PENDING + 1):
            stage.hub.publish(changed("job1", "completed"))
        assert await closing(client) == (4404, "download_not_found")


async def test_a_client_that_does_not_read_is_closed_and_slows_nobody(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside it another client hears every change in time."""
    monkeypatch.setattr(sockets, "_SEND_TIMEOUT_S", 1.0)
    monkeypatch.setattr(sockets, "_CLOSE_TIMEOUT_S", 0.1)
    quick_frames: list[tuple[float, dict[str, Any]]] = []
    writer = await deaf_client(stage)
    async with stage.watch() as quick:
        await frame(quick)
        collector = asyncio.create_task(collect(quick, quick_frames))
        assert len(stage.hub._subscriptions["downloads"]) == 2
        sent = 0
        async with asyncio.timeout(20):
            while len(stage.hub._subscriptions["downloads"]) == 2:
                stage.hub.publish(changed("job1", str(time.monotonic()), filling="x" * 20_000))
                sent += 1
                await asyncio.sleep(0.005)
        await until(lambda: len(quick_frames) == sent)
        collector.cancel()
        await asyncio.wait([collector])
    writer.transport.abort()
    delays = sorted(at - float(f["data"]["state"]) for at, f in quick_frames)

    assert [f["seq"] for _, f in quick_frames] == list(range(1, sent + 1))
    assert delays[len(delays) * 9 // 10] < 0.5


async def deaf_client(stage: Stage) -> asyncio.StreamWriter:
    """Open a WebSocket whose receiver stops reading after the handshake."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", stage.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    writer.write(
        b"GET /ws/downloads HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
        b"Authorization: Bearer " + stage.token.encode() + b"\r\n\r\n"
    )
    assert b"101" in await reader.readline()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return writer
