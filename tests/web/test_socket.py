"""Every client is told the whole state first and every change after it, in time, and none can slow another."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from backend.auth import Auth, Credentials, Identity, Scope
from backend.database import Database
from backend.downloads.errors import DownloadNotFound
from backend.downloads.service import DownloadPage, QueueTotals
from backend.downloads.view import DownloadJob
from backend.errors import JSON
from backend.events import Event, Hub
from backend.events.hub import MAX_PENDING
from backend.web import socket as sockets
from tests.live import LiveServer
from tests.secret_watch import watch

pytestmark = pytest.mark.anyio

ROUTES = (
    "/ws/downloads", "/ws/downloads/job1", "/ws/progress/job1", "/ws/storage", "/ws/system", "/ws/live?topics=presets",
)  # fmt: skip
TOTALS = QueueTotals(False, 1, 0, 0, 0, None)


def job(job_id: str, state: str = "downloading") -> DownloadJob:
    times = ("2026-11-24T16:00:00+00:00", None, None)
    return DownloadJob(
        job_id, "url", "a.safetensors", None, state, 0, 0, *times, 100, 40, 0.4, None, None, 0, None, []
    )  # fmt: skip


class Downloads:
    """A queue with the jobs that a test puts into it."""

    def __init__(self) -> None:
        self.jobs = {"job1": job("job1"), "done": job("done", "completed")}
        self.while_listing: Callable[[], None] = lambda: None

    async def list(self, *, active: bool, limit: int) -> DownloadPage:
        items = [j for j in self.jobs.values() if (j.state != "completed") is active][:limit]
        if active:
            self.while_listing()
        return DownloadPage(items, len(items), TOTALS)

    async def get_progress(self, job_id: str) -> DownloadJob:
        if job_id not in self.jobs:
            raise DownloadNotFound("There is no such download.")
        return self.jobs[job_id]


class Presets:
    def states(self) -> Any:
        @dataclass
        class State:
            status: str

        @dataclass
        class Snapshot:
            states: dict[str, State] = field(default_factory=lambda: {"flux": State("installed")})

        return Snapshot()


@dataclass
class Stage:
    """The parts that a socket asks, real where it matters: the door and the hub."""

    auth: Auth
    hub: Hub
    downloads: Downloads
    presets: Presets
    port: int
    server: uvicorn.Server
    token: str = field(repr=False)
    session_id: str

    async def host_sample(self) -> dict[str, JSON]:
        return {"disks": [{"mount": "/", "free_bytes": 1}], "cpu": {"percent": 1.0}}

    def url(self, path: str, scheme: str = "ws") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    @asynccontextmanager
    async def watch(self, path: str = "/ws/downloads", **options: Any) -> AsyncIterator[ClientConnection]:
        """Connect as a script does."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with connect(self.url(path), additional_headers=headers, **options) as client:
            yield client

    async def owner(self) -> Identity:
        return await self.auth.identify(Credentials("GET", {"authorization": f"Bearer {self.token}"}))


@pytest.fixture
async def stage(anyio_backend: object, database: Database, tmp_path: Path, password: str) -> AsyncIterator[Stage]:
    """A real server on loopback with the sockets, a real door and a real hub."""
    auth = await Auth.open(database, tmp_path, access_password=password, session_hours=1, announce=print)
    signed_in = await auth.login(password, client="127.0.0.1", agent="test")
    app, state = FastAPI(), dict[str, Any]()
    app.include_router(sockets.router)

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = state
        await app(scope, receive, send)

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(with_state, log_config=None, lifespan="off", ws_max_size=64 * 1024))
    stage = Stage(
        auth, Hub(), Downloads(), Presets(), listener.getsockname()[1], server,
        watch("session token", signed_in.access_token), signed_in.session_id,
    )  # fmt: skip
    state["services"] = stage
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    yield stage
    server.should_exit = True
    await asyncio.wait_for(task, 20)
    await auth.close()


async def until(condition: Callable[[], bool], deadline_s: float = 10) -> None:
    """Wait for *condition*, looking often; fail when it does not come."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


async def frame(client: ClientConnection) -> dict[str, Any]:
    return json.loads(await asyncio.wait_for(client.recv(), 10))


async def closing(client: ClientConnection) -> tuple[int, str]:
    """Read until the server closes; return its code and reason."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(10):
            async for _ in client:
                pass
    assert client.close_code is not None
    return client.close_code, client.close_reason or ""


def changed(job_id: str, state: str, **extra: JSON) -> Event:
    return Event("downloads", "download.changed", job_id, {"id": job_id, "state": state, **extra})


def progress(job_id: str, done: int) -> Event:
    return Event("downloads", "download.progress", job_id, {"bytes_done": done}, lasting=False)


# Who is let in


@pytest.mark.parametrize("path", ROUTES)
async def test_nobody_is_let_in_without_showing_who_they_are(stage: Stage, path: str) -> None:
    """Programs get the answer of HTTP with the reason in words, pages a close code that they can read."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(stage.url(path))
    answer = refused.value.response
    assert answer.status_code == 401
    assert json.loads(answer.body or b"")["error"]["code"] == "not_signed_in"

    async with connect(stage.url(path), origin=stage.url("", "http")) as page:  # type: ignore[arg-type]
        assert await closing(page) == (4401, "not_signed_in")
    assert not any(stage.hub.has_listeners(topic) for topic in ("downloads", "system", "storage", "presets"))


async def test_every_way_of_showing_it_works(stage: Stage) -> None:
    """Header, query, ticket, API key, and the cookie of an own page."""
    key = await stage.auth.create_key("script", Scope.READ)
    ticket = stage.auth.ticket(await stage.owner())
    watch("API key", key.key)
    ways: list[tuple[str, dict[str, str]]] = [
        ("", {"Authorization": f"Bearer {stage.token}"}),
        (f"?token={stage.token}", {}),
        (f"?ticket={watch('ticket', ticket.value)}", {}),
        (f"?token={key.key}", {}),
        ("", {"Cookie": f"hearth_session={stage.token}", "Origin": stage.url("", "http")}),
    ]
    for query, headers in ways:
        async with connect(stage.url(f"/ws/downloads{query}"), additional_headers=headers) as client:
            assert (await frame(client))["type"] == "snapshot"
    with pytest.raises(InvalidStatus):  # a ticket is good once
        await connect(stage.url(f"/ws/downloads?ticket={ticket.value}"))


async def test_a_foreign_page_cannot_use_the_visitors_cookie(stage: Stage) -> None:
    """The browser attaches it by itself; the page behind it is somebody else's."""
    headers = {"Cookie": f"hearth_session={stage.token}", "Origin": "http://evil.test"}
    async with connect(stage.url("/ws/downloads"), additional_headers=headers) as client:
        assert await closing(client) == (4403, "cross_site_request")


async def test_a_sign_in_that_ends_takes_its_sockets_along(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revoked session or key: closed; those of others stay. A ticket's socket lives as long as its maker's sign-in."""
    monkeypatch.setattr(sockets, "_SIGN_IN_CHECK_S", 0.02)
    key = await stage.auth.create_key("script", Scope.READ)
    watch("API key", key.key)
    ticket = watch("ticket", stage.auth.ticket(await stage.owner()).value)
    async with (
        stage.watch() as by_session,
        connect(stage.url(f"/ws/system?ticket={ticket}")) as by_ticket,
        connect(stage.url(f"/ws/downloads?token={key.key}")) as by_key,
    ):
        await stage.auth.revoke_session(stage.session_id)
        assert await closing(by_session) == (4401, "not_signed_in")
        assert await closing(by_ticket) == (4401, "not_signed_in")
        await frame(by_key)
        stage.hub.publish(changed("job1", "paused"))
        assert (await frame(by_key))["data"]["state"] == "paused"
        await stage.auth.revoke_key(key.stored.id)
        assert await closing(by_key) == (4401, "not_signed_in")


# What is told


async def test_the_state_comes_first_and_then_each_change(stage: Stage) -> None:
    """In the documented shape, numbered by topic."""
    stage.hub.publish(changed("job0", "completed"))
    async with stage.watch() as client:
        first = await frame(client)
        stage.hub.publish(changed("job1", "verifying"))
        stage.hub.publish(progress("job1", 50))
        second, third = await frame(client), await frame(client)

    assert list(first) == ["topic", "type", "seq", "at", "key", "data"]
    assert (first["topic"], first["type"], first["seq"], first["key"]) == ("downloads", "snapshot", 1, "")
    assert [item["id"] for item in first["data"]["items"]] == ["job1", "done"]
    assert first["data"]["queue"]["active"] == 1
    assert (second["type"], second["seq"], second["key"], second["data"]["state"]) == (
        "download.changed", 2, "job1", "verifying",
    )  # fmt: skip
    assert (third["type"], third["seq"], third["data"]["bytes_done"]) == ("download.progress", 2, 50)


async def test_nothing_falls_between_the_state_and_the_changes(stage: Stage) -> None:
    """What happens while the state is read is told after it, with a higher number."""
    stage.downloads.while_listing = lambda: stage.hub.publish(changed("job1", "completed"))
    async with stage.watch() as client:
        first, second = await frame(client), await frame(client)

    assert (first["type"], first["seq"]) == ("snapshot", 0)
    assert (second["type"], second["seq"]) == ("download.changed", 1)


@pytest.mark.parametrize("path", ["/ws/downloads/job1", "/ws/progress/job1"])
async def test_one_job_is_told_alone(stage: Stage, path: str) -> None:
    """Its state as a whole job, and nothing of others."""
    async with stage.watch(path) as client:
        first = await frame(client)
        stage.hub.publish(changed("other", "failed"))
        stage.hub.publish(changed("job1", "completed"))
        second = await frame(client)

    assert (first["key"], first["data"]["id"], first["data"]["state"]) == ("job1", "job1", "downloading")
    assert (second["key"], second["data"]["state"]) == ("job1", "completed")


async def test_an_unknown_job_or_topic_is_refused(stage: Stage) -> None:
    """With the error of the API."""
    for path, status, code in (
        ("/ws/downloads/nothing", 404, "download_not_found"),
        ("/ws/live?topics=downloads,weather", 422, "unknown_topic"),
        ("/ws/live?topics=", 422, "unknown_topic"),
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with stage.watch(path):
                pass
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body or b"")["error"]["code"] == code


async def test_one_connection_carries_many_topics(stage: Stage) -> None:
    """A snapshot for each, in the order asked for, numbered apart; without names all of them."""
    async with stage.watch("/ws/live?topics=system,%20presets,storage,system") as client:
        frames = [await frame(client) for _ in range(3)]
        stage.hub.publish(changed("job1", "failed"))
        stage.hub.publish(Event("presets", "preset.changed", "flux", {"id": "flux", "status": "absent"}))
        change = await frame(client)
    async with stage.watch("/ws/live") as client:
        everything = {(await frame(client))["topic"] for _ in range(4)}

    assert [f["topic"] for f in frames] == ["system", "presets", "storage"]
    assert frames[0]["data"]["cpu"] == {"percent": 1.0}
    assert frames[1]["data"] == {"flux": "installed"}
    assert frames[2]["data"] == {"items": [{"mount": "/", "free_bytes": 1}]}
    assert (change["topic"], change["seq"], change["data"]["status"]) == ("presets", 1, "absent")
    assert everything == {"downloads", "system", "presets", "storage"}


# How fast, how much


async def test_progress_comes_ten_times_a_second_at_most_and_changes_at_once(stage: Stage) -> None:
    """Three busy downloads share the ten frames, each with its newest number; a change does not wait for its turn."""
    got: list[tuple[float, dict[str, Any]]] = []
    delays: list[float] = []
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


async def collect(client: ClientConnection, into: list[tuple[float, dict[str, Any]]]) -> None:
    while True:
        into.append((time.monotonic(), json.loads(await client.recv())))


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
    reader, writer = await deaf_client(stage)
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
    assert reader is not None


async def deaf_client(stage: Stage) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
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
    return reader, writer


# What is answered, and how it ends


async def test_a_ping_is_answered_and_everything_else_ignored(stage: Stage) -> None:
    """No input changes anything, however strange."""
    async with stage.watch() as client:
        await frame(client)
        for strange in (
            "",
            "{",
            "7",
            "null",
            '"ping"',
            '{"type":"subscribe"}',
            '{"type":["ping"]}',
            "[" * 4000,
            b"\xff",
        ):
            await client.send(strange)
        await client.send('{"type": "ping"}')
        assert await frame(client) == {"type": "pong"}


@pytest.mark.parametrize("message", ["x" * 5000, b"x" * 5000])
async def test_a_client_that_sends_much_is_closed(stage: Stage, message: str | bytes) -> None:
    """Nobody needs more than a ping."""
    async with stage.watch() as client:
        await client.send(message)
        assert await closing(client) == (1009, "too_big")


async def test_a_client_that_leaves_leaves_nothing_behind(stage: Stage) -> None:
    """Properly, and by a cut cable."""
    async with stage.watch(), stage.watch("/ws/live") as cut:
        assert len(stage.hub._subscriptions["downloads"]) == 2
        cut.transport.abort()
        await until(lambda: len(stage.hub._subscriptions["downloads"]) == 1)
    await until(lambda: not stage.hub.has_listeners("downloads"))
    await until(lambda: not [task for task in asyncio.all_tasks() if "_Connection" in repr(task.get_coro())])


async def test_a_server_that_stops_says_so(stage: Stage) -> None:
    """Its clients are told "service restart" and come back by themselves; none holds up the end."""
    async with stage.watch() as client, stage.watch("/ws/system") as other:
        await frame(client)
        begin = time.monotonic()
        stage.server.should_exit = True
        assert (await closing(client))[0] == 1012
        assert (await closing(other))[0] == 1012
        await until(lambda: not stage.hub.has_listeners("downloads"))
        assert time.monotonic() - begin < 5


# The whole product


async def test_the_real_server_tells_and_keeps_tokens_out_of_its_log(live_server: LiveServer) -> None:
    """With the token in the address, as wscat sends it; open sockets do not hold up the end of the process."""
    token = await asyncio.to_thread(lambda: live_server.token)
    address = live_server.url.replace("http", "ws")
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{address}/ws/downloads")
    assert refused.value.response.status_code == 401

    async with (
        connect(f"{address}/ws/live?token={token}") as client,
        connect(f"{address}/ws/downloads?token={token}") as second,
    ):
        snapshots = {(told := await frame(client))["topic"]: told["data"] for _ in range(4)}
        assert (await frame(second))["data"]["items"] == []
        assert snapshots["downloads"]["items"] == []
        assert len(snapshots["presets"]) > 0
        assert snapshots["storage"]["items"][0]["free_bytes"] > 0
        sample = await frame(client)
        assert (sample["type"], sample["data"]["process"]["uptime_s"] >= 0) == ("system.sample", True)
        begin = time.monotonic()
        await asyncio.to_thread(live_server.stop)
        assert time.monotonic() - begin < 8
        assert await closing(client) == (1012, "")
    log = await asyncio.to_thread(live_server.log.read_text)
    assert "/ws/live" in log
    assert token not in log
