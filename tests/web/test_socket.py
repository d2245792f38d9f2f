"""Every client is told the whole state first and every change after it, once it has shown who it is."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from backend.auth import Scope
from backend.events import Event
from backend.web import socket as sockets
from tests.live import LiveServer
from tests.secret_watch import watch
from tests.web.socket_stage import Stage, changed, closing, frame, progress, real_stage, until  # noqa: F401 -- real_stage is the fixture

pytestmark = pytest.mark.anyio

ROUTES = (
    "/ws/downloads", "/ws/downloads/job1", "/ws/progress/job1", "/ws/storage", "/ws/system", "/ws/live?topics=presets",
)  # fmt: skip


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
        everything = {(await frame(client))["topic"] for _ in range(6)}

    assert [f["topic"] for f in frames] == ["system", "presets", "storage"]
    assert frames[0]["data"]["cpu"] == {"percent": 1.0}
    assert frames[1]["data"] == {"flux": "installed"}
    assert frames[2]["data"] == {"items": [{"mount": "/", "free_bytes": 1}]}
    assert (change["topic"], change["seq"], change["data"]["status"]) == ("presets", 1, "absent")
    assert everything == {"downloads", "system", "presets", "storage", "generations", "workflows"}


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
        snapshots = {(told := await frame(client))["topic"]: told["data"] for _ in range(6)}
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
