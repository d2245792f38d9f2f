"""Nobody comes in without a sign-in: every route and every WebSocket of the finished application is tried."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount, WebSocketRoute

from backend.api.guard import OPEN
from backend.api.parts import every_route
from tests.conftest import client_of
from tests.secret_watch import secret, watch

pytestmark = pytest.mark.anyio

READS = {"GET", "HEAD", "OPTIONS"}
# What anybody may ask for: is it alive, the sign-in itself, and the files that the sign-in page is made of.
OPEN_PAGES = {("GET", "/login"), ("POST", "/login")}
OPEN_FILES = re.compile(r"/static(/|$)|/favicon\.ico|/robots\.txt|/site\.webmanifest|/manifest\.webmanifest")
# Writes that change nothing of Hearth: they only concern who asks.
HARMLESS = {
    ("POST", "/api/auth/ticket"),
    ("POST", "/api/auth/logout"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/logout"),
    ("POST", "/api/gallery/zip"),  # the ids would not fit into an address
    ("POST", "/gallery/zip"),
}
# What a key for making things may write: its own jobs and results, behind whichever door.
MAKING = re.compile(r"/(api/generations|api/gallery|v1/images|sdapi/v1|comfyui|generate|gallery)(?!/rebuild)(/|$)")


class Door(NamedTuple):
    """One way in."""

    method: str
    path: str

    @property
    def address(self) -> str:
        """The path with something in the place of its parameters."""
        return re.sub(r"\{[^}]+\}", "x", self.path)


def _doors(app: FastAPI) -> Iterator[Door]:
    for context in iter_route_contexts(every_route(app)):
        route = context.original_route
        path = context.path or ""
        if isinstance(route, Mount):
            yield Door("GET", f"{path}/")
        elif isinstance(route, WebSocketRoute) or type(route).__name__.endswith("WebSocketRoute"):
            yield Door("WEBSOCKET", path)
        else:
            yield from (Door(method, path) for method in sorted(context.methods or {"GET"}))


def _is_open(door: Door) -> bool:
    return door.path in OPEN or door in OPEN_PAGES or OPEN_FILES.match(door.path) is not None


async def _knock(app: FastAPI, path: str, *headers: tuple[bytes, bytes], query: bytes = b"") -> tuple[str, int]:
    """Begin a WebSocket handshake; return how the application ended it, with the code."""
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})
    scope = {
        "type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws", "path": path,
        "raw_path": path.encode(), "query_string": query, "root_path": "", "subprotocols": [],
        "headers": [(b"host", b"hearth.test"), *headers], "client": ("127.0.0.1", 1), "server": ("hearth.test", 80),
        "state": dict(app.state.lifespan_state), "extensions": {"websocket.http.response": {}},
    }  # fmt: skip
    task = asyncio.create_task(app(scope, incoming.get, messages.put))
    try:
        async with asyncio.timeout(10):
            while True:
                message = await messages.get()
                if message["type"] == "websocket.close":
                    return "closed", message.get("code", 1000)
                if message["type"] == "websocket.http.response.start":
                    return "refused", message["status"]
                if message["type"] == "websocket.send":
                    return "talked", 0
    finally:
        incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait([task], timeout=10)


async def test_the_walk_sees_the_house(app: FastAPI) -> None:
    """Were the list empty, everything below would hold."""
    doors = set(_doors(app))

    assert {Door("GET", "/api/presets"), Door("POST", "/api/downloads/start"), Door("PATCH", "/api/settings")} <= doors
    assert {Door("GET", "/docs"), Door("GET", "/openapi.json"), Door("GET", "/")} <= doors
    assert {Door("WEBSOCKET", "/ws/downloads"), Door("WEBSOCKET", "/ws/system")} <= doors
    assert {door.path for door in doors} >= OPEN


async def test_no_door_opens_without_credentials(app: FastAPI) -> None:
    """JSON gets 401, a browser is sent to the sign-in page; forged and expired credentials are worth nothing."""
    wrong = secret("forged token", "hearth_")
    tries: list[dict[str, str]] = [
        {},
        {"Accept": "text/html"},
        {"Authorization": f"Bearer {wrong}"},
        {"X-API-Key": wrong},
        {"Cookie": f"hearth_session={wrong}", "Sec-Fetch-Site": "same-origin"},
    ]
    opened: list[tuple[str, int]] = []
    async with client_of(app) as client:
        for door in _doors(app):
            if door.method == "WEBSOCKET" or _is_open(door):
                continue
            for headers in tries:
                answer = await client.request(door.method, door.address, headers=headers)
                to_login = answer.status_code in (302, 303) and answer.headers["location"].startswith("/login")
                if answer.status_code != 401 and not to_login:
                    opened.append((f"{door.method} {door.address} {sorted(headers)}", answer.status_code))

    assert opened == []


async def test_a_token_in_the_address_opens_no_page_and_no_file(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """Only WebSockets take one."""
    token = client.headers["Authorization"].removeprefix("Bearer ")
    opened: list[str] = []
    async with client_of(app) as stranger:
        for door in _doors(app):
            if door.method == "GET" and not _is_open(door):
                answer = await stranger.get(door.address, params={"token": token})
                if answer.status_code not in (401, 303):
                    opened.append(door.path)

    assert opened == []


async def test_no_websocket_opens_without_credentials(app: FastAPI) -> None:
    """Refused before it is accepted, or closed with 4401 before a word is said."""
    wrong = secret("forged token").encode()
    sockets = [door for door in _doors(app) if door.method == "WEBSOCKET"]
    opened: list[tuple[str, tuple[str, int]]] = []
    for door in sockets:
        for query, headers in (
            (b"", []),
            (b"token=" + wrong, []),
            (b"ticket=" + wrong, []),
            (b"", [(b"authorization", b"Bearer " + wrong)]),
            (b"", [(b"cookie", b"hearth_session=" + wrong), (b"sec-fetch-site", b"same-origin")]),
        ):
            end = await _knock(app, door.address, *headers, query=query)
            if end not in {("closed", 4401), ("closed", 1008), ("refused", 401), ("refused", 403)}:
                opened.append((door.path, end))

    assert len(sockets) >= 5
    assert opened == []


async def test_a_foreign_page_opens_no_websocket_with_the_cookie(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """Browsers attach the cookie to handshakes of any page; an own page, a ticket and a token do open it."""
    token = client.headers["Authorization"].removeprefix("Bearer ").encode()
    cookie = (b"cookie", b"hearth_session=" + token)
    for headers in ([], [(b"sec-fetch-site", b"cross-site")], [(b"origin", b"http://evil.test")]):
        end = await _knock(app, "/ws/downloads", cookie, *headers)
        assert end[0] in ("closed", "refused")
        assert end[1] in (4403, 1008, 403)
    ticket = watch("ticket", (await client.post("/api/auth/ticket")).json()["ticket"]).encode()

    assert await _knock(app, "/ws/downloads", cookie, (b"origin", b"http://hearth.test")) == ("talked", 0)
    assert await _knock(app, "/ws/downloads", query=b"ticket=" + ticket) == ("talked", 0)
    assert (await _knock(app, "/ws/downloads", query=b"ticket=" + ticket))[0] in ("closed", "refused")
    assert await _knock(app, "/ws/downloads", query=b"token=" + token) == ("talked", 0)


@pytest.mark.parametrize("scope", ["read", "generate"])
async def test_a_key_that_may_not_manage_changes_nothing(app: FastAPI, client: httpx2.AsyncClient, scope: str) -> None:
    """Every write answers 403, whatever its body."""
    made = (await client.post("/api/auth/keys", json={"name": "narrow", "scope": scope})).json()
    key = {"Authorization": f"Bearer {watch('API key', made['key'])}"}
    passed: list[tuple[str, int]] = []
    async with client_of(app, headers=key) as program:
        for door in _doors(app):
            if door.method in READS or door.method == "WEBSOCKET" or _is_open(door) or door in HARMLESS:
                continue
            answer = await program.request(door.method, door.address)
            if answer.status_code != 403 and not (scope == "generate" and MAKING.match(door.path)):
                passed.append((f"{door.method} {door.path}", answer.status_code))

    assert passed == []


async def test_no_read_with_a_foreign_page_behind_it_changes_anything(app: FastAPI) -> None:
    """GET and HEAD are links: everything that acts is a POST, PUT, PATCH or DELETE by name."""
    acting = re.compile(r"/(start|cancel|pause|resume|retry|move|verify-all|delete|restore|update|logout|clear)$")
    suspicious = [door for door in _doors(app) if door.method in READS and acting.search(door.path)]

    assert suspicious == []
