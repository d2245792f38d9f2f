"""Roadmap 3.4: four channels, many clients, in time, with a sign-in, over reconnects and to a graceful end."""

from __future__ import annotations

import json
import statistics
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.fakes.model_host import Content, ModelHost, Slow
from tests.live import LiveServer
from tests.roadmap import frames_until, wscat
from tests.secret_watch import watch

_DOWNLOADS = 'wscat -c "ws://localhost:8000/ws/downloads?token=$TOKEN"'
_ONE = 'wscat -c "ws://localhost:8000/ws/downloads/{id}?token=$TOKEN"'
_SIZE = 8_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One server for all tests here."""
    server = LiveServer(tmp_path_factory.mktemp("sockets") / "workspace").start()
    yield server
    server.stop()


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx2.Client]:
    """A signed-in client; the queue is empty again after the test."""
    with server.client() as client:
        yield client
        for job in client.get("/api/downloads?active=true").json()["items"]:
            client.post(f"/api/downloads/{job['id']}/cancel?keep_partial=false")
        client.delete("/api/downloads/history")


def _begin(client: httpx2.Client, host: ModelHost, name: str, rate: float = 0.4e6) -> str:
    url = host.put(f"/{name}.safetensors", Content.safetensors(_SIZE, seed=sum(name.encode())), Slow(rate))
    answer = client.post("/api/downloads/start", json={"url": url, "directory": "loras"})
    answer.raise_for_status()
    return answer.json()["id"]


def _completed(job_id: str) -> Any:
    return lambda frame: frame["key"] == job_id and frame["data"].get("state") == "completed"


@pytest.mark.parametrize("channel", ["downloads", "storage", "system"])
def test_each_channel_begins_with_its_whole_state(server: LiveServer, channel: str) -> None:
    """The first frame is a snapshot of the topic that the address names."""
    with wscat(f'wscat -c "ws://localhost:8000/ws/{channel}?token=$TOKEN"', server) as socket:
        frame = json.loads(socket.recv(timeout=20))

    assert (frame["type"], frame["topic"]) == ("snapshot", channel)
    assert frame.keys() == {"topic", "type", "seq", "at", "key", "data"}


def test_a_channel_of_one_download_tells_of_no_other(
    server: LiveServer, client: httpx2.Client, model_host: ModelHost
) -> None:
    """``/ws/downloads/{id}``."""
    other = _begin(client, model_host, "other")
    wanted = _begin(client, model_host, "wanted", rate=2e6)
    with wscat(_ONE, server, id=wanted) as socket:
        frames = frames_until(socket, _completed(wanted))

    assert {frame["key"] for frame in frames} == {wanted}
    assert client.get(f"/api/downloads/{other}").json()["state"] == "downloading"


def test_every_connection_needs_a_sign_in(server: LiveServer) -> None:
    """No token, a wrong one, and one that was signed out."""
    with httpx2.Client(base_url=server.url) as visitor:
        token = watch(
            "session token", visitor.post("/api/auth/login", json={"password": server.password}).json()["access_token"]
        )
        visitor.cookies.clear()
        visitor.post("/api/auth/logout", headers={"Authorization": f"Bearer {token}"}).raise_for_status()
    for channel in ("downloads", "downloads/some-id", "progress/some-id", "storage", "system", "live"):
        for query in ("", "?token=nonsense", f"?token={token}"):
            with (
                pytest.raises(InvalidStatus) as refused,
                wscat(f'wscat -c "ws://localhost:8000/ws/{channel}{query}"', server),
            ):
                pass
            assert refused.value.response.status_code == 401, (channel, query)


def test_a_ticket_opens_one_connection(server: LiveServer, client: httpx2.Client) -> None:
    """Scripts need not put their token into an address."""
    ticket = watch("ticket", client.post("/api/auth/ticket").json()["ticket"])
    with wscat('wscat -c "ws://localhost:8000/ws/system?ticket={ticket}"', server, ticket=ticket) as socket:
        assert json.loads(socket.recv(timeout=20))["type"] == "snapshot"


def test_progress_arrives_within_100_ms(server: LiveServer, client: httpx2.Client, model_host: ModelHost) -> None:
    """From publication, which ``at`` tells, to the client; the middle of all frames, and nearly every single one."""
    with wscat(_DOWNLOADS, server) as socket:
        job_id = _begin(client, model_host, "timed")
        ages: list[float] = []

        def arrived(frame: dict[str, Any]) -> bool:
            if frame["key"] == job_id:
                ages.append((datetime.now(UTC) - datetime.fromisoformat(frame["at"])).total_seconds())
            return frame["data"].get("state") == "completed"

        frames_until(socket, arrived)
    assert len(ages) >= 10
    assert statistics.median(ages) < 0.1, sorted(ages)


def test_many_clients_on_one_channel_see_the_same(
    server: LiveServer, client: httpx2.Client, model_host: ModelHost
) -> None:
    """Each is told of every change of state and of the end."""
    ready = threading.Barrier(9, timeout=30)

    def follow() -> list[str]:
        with wscat(_DOWNLOADS, server) as socket:
            socket.recv(timeout=20)
            ready.wait()
            frames = frames_until(socket, lambda f: f["data"].get("state") == "completed")
        return [f"{f['seq']} {f['data']['state']}" for f in frames if f["type"] == "download.changed"]

    assert server.token, "asked for before the threads do"
    with ThreadPoolExecutor(8) as pool:
        followers = [pool.submit(follow) for _ in range(8)]
        ready.wait()
        _begin(client, model_host, "watched", rate=2e6)
        told = [follower.result(timeout=60) for follower in followers]
    assert told[0]
    assert all(each == told[0] for each in told)


def test_who_comes_back_misses_nothing(server: LiveServer, client: httpx2.Client, model_host: ModelHost) -> None:
    """The snapshot after a reconnect holds what changed in between, and the numbers go on from there."""
    with wscat(_DOWNLOADS, server) as socket:
        job_id = _begin(client, model_host, "missed")
        seq = frames_until(socket, lambda f: f["data"].get("state") == "downloading")[-1]["seq"]
    client.post(f"/api/downloads/{job_id}/pause").raise_for_status()
    with wscat(_DOWNLOADS, server) as socket:
        snapshot = json.loads(socket.recv(timeout=20))
        assert [job["state"] for job in snapshot["data"]["items"] if job["id"] == job_id] == ["paused"]
        assert snapshot["seq"] > seq
        client.post(f"/api/downloads/{job_id}/resume").raise_for_status()
        frames = frames_until(socket, _completed(job_id))
    numbers = [frame["seq"] for frame in frames if frame["type"] != "download.progress"]
    assert numbers == list(range(snapshot["seq"] + 1, snapshot["seq"] + 1 + len(numbers)))


def test_a_client_that_vanishes_disturbs_nobody(
    server: LiveServer, client: httpx2.Client, model_host: ModelHost
) -> None:
    """Its connection is cut without a word; the others go on."""
    with wscat(_DOWNLOADS, server) as staying:
        with wscat(_DOWNLOADS, server) as vanishing:
            vanishing.recv(timeout=20)
            job_id = _begin(client, model_host, "disturbed", rate=2e6)
            _cut(vanishing)
        assert frames_until(staying, _completed(job_id))


def test_a_restart_ends_in_order_and_the_client_comes_back(server: LiveServer) -> None:
    """1012, service restart (RFC 6455 registry); the same address then answers with a snapshot."""
    with wscat(_DOWNLOADS, server) as socket:
        socket.recv(timeout=20)
        server.stop()
        with pytest.raises(ConnectionClosed) as closed:
            frames_until(socket, lambda _frame: False)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    server.start()
    with wscat(_DOWNLOADS, server) as socket:
        assert json.loads(socket.recv(timeout=20))["type"] == "snapshot"


def _cut(connection: ClientConnection) -> None:
    connection.socket.shutdown(2)
