"""What happens around every endpoint: number, limits, safety headers, one line in the log."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from backend.api.middleware import MAX_BODY_BYTES
from tests.conftest import client_of, running
from tests.secret_watch import secret

pytestmark = pytest.mark.anyio

PAGE = "<!doctype html><title>page</title>" + "<p>word</p>" * 300


def _with_routes(app: FastAPI) -> FastAPI:
    """Add endpoints that behave in ways the middleware must survive."""

    async def echo(request: Request) -> dict[str, Any]:
        return {"size": len(await request.body()), "client": request.client and request.client.host}

    async def json_body(body: dict[str, int]) -> dict[str, int]:
        return body

    async def boom() -> None:
        raise RuntimeError("a defect")

    async def half() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("a defect in the middle")

        return StreamingResponse(parts(), media_type="application/json")

    async def large(size: int = 5000) -> Response:
        return Response(json.dumps(["word"] * (size // 8)), media_type="application/json")

    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE)

    async def packed() -> Response:
        headers = {"Content-Encoding": "gzip", "ETag": '"1"'}
        return Response(gzip.compress(b"x" * 5000), headers=headers, media_type="application/json")

    async def events() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for number in range(3):
                yield f"data: {number}\n\n".encode()

        return StreamingResponse(parts(), media_type="text/event-stream")

    for path, endpoint in {
        "/api/t/boom": boom, "/api/t/half": half, "/api/t/large": large, "/api/t/packed": packed,
        "/api/t/events": events, "/t/page": page, "/api/t/echo": echo,
    }.items():  # fmt: skip
        app.add_api_route(path, endpoint, methods=["GET", "POST"], response_model=None)
    app.add_api_route("/api/t/json", json_body, methods=["POST"])
    return app


@pytest.fixture
async def app(make_app: Callable[..., FastAPI], anyio_backend: object) -> AsyncIterator[FastAPI]:
    """The application with misbehaving endpoints; logs are JSON."""
    async with running(_with_routes(make_app(log_format="json"))) as application:
        yield application


@pytest.fixture
def log(client: httpx2.AsyncClient) -> io.StringIO:
    """What is logged from now on."""
    [handler] = [h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler]
    stream = io.StringIO()
    handler.setStream(stream)
    return stream


def _lines(log: io.StringIO, event: str = "request") -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in log.getvalue().splitlines()]
    return [entry for entry in entries if entry["event"] == event]


async def test_every_request_has_a_number_and_one_line_in_the_log(client: httpx2.AsyncClient, log: io.StringIO) -> None:
    """The given number is kept when it is one; otherwise a new one is made."""
    token = secret("query token")
    given = await client.get("/api/t/echo", params={"token": token, "q": "1"}, headers={"X-Request-ID": "abc-1.2_3"})
    made = await client.get("/api/t/echo", headers={"X-Request-ID": "no spaces\tor tabs"})
    lines = _lines(log)

    assert given.headers["x-request-id"] == "abc-1.2_3"
    assert len(made.headers["x-request-id"]) == 16
    assert [line["request_id"] for line in lines] == ["abc-1.2_3", made.headers["x-request-id"]]
    first = lines[0]
    assert (first["method"], first["path"], first["status"], first["client"], first["who"]) == (
        "GET", "/api/t/echo", 200, "127.0.0.1", "owner",
    )  # fmt: skip
    assert 0 <= first["ms"] < 10_000
    assert token not in json.dumps(lines)


async def test_a_path_cannot_write_a_second_line(anon_client: httpx2.AsyncClient, log: io.StringIO) -> None:
    """It is logged as it was sent, percent-encoded."""
    await anon_client.get("/api/%0A%7B%22event%22:%22request%22%7D%1B[2J")
    [line] = _lines(log)

    assert line["path"] == "/api/%0A%7B%22event%22:%22request%22%7D%1B[2J"


async def test_a_defect_is_a_500_with_number_and_headers_and_a_traceback_in_the_log(
    client: httpx2.AsyncClient, log: io.StringIO
) -> None:
    """The answer does not say what went wrong inside."""
    answer = await client.get("/api/t/boom")
    [defect] = _lines(log, "unexpected_error")
    [line] = _lines(log)

    assert answer.status_code == line["status"] == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "defect" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "RuntimeError: a defect" in defect["exception"]
    assert defect["request_id"] == answer.headers["x-request-id"] == line["request_id"]


async def test_half_an_answer_is_not_passed_off_as_a_whole_one(client: httpx2.AsyncClient) -> None:
    """The connection breaks; a client that counts on the end notices."""
    transport: Any = client._transport
    transport.raise_app_exceptions = True
    with pytest.raises(RuntimeError, match="a defect in the middle"):
        await client.get("/api/t/half")


async def test_pages_and_data_carry_strict_policies(client: httpx2.AsyncClient) -> None:
    """Scripts, styles and connections come from Hearth alone; data may load nothing."""
    page, data = await client.get("/t/page"), await client.get("/api/t/echo")
    policy = page.headers["content-security-policy"]

    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert data.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    for answer in (page, data, await client.get("/api/no/such/page"), await client.post("/api/health")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
    assert data.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("size", [5_000, 300_000])
async def test_large_json_and_pages_are_packed_for_who_can_unpack(client: httpx2.AsyncClient, size: int) -> None:
    """Both forms have the same content and their own length."""
    packed = await client.get("/api/t/large", params={"size": size}, headers={"Accept-Encoding": "gzip"})
    plain = await client.get("/api/t/large", params={"size": size}, headers={"Accept-Encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["vary"]
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 10
    assert packed.json() == plain.json()
    assert "content-encoding" not in plain.headers
    page = await client.get("/t/page", headers={"Accept-Encoding": "gzip"})
    assert (page.headers["content-encoding"], page.text) == ("gzip", PAGE)


async def test_small_streamed_and_packed_answers_are_left_alone(client: httpx2.AsyncClient) -> None:
    """Events must not wait, and nothing is packed twice."""
    client.headers["Accept-Encoding"] = "gzip"
    small, events = await client.get("/api/t/echo"), await client.get("/api/t/events")
    packed = await client.get("/api/t/packed")

    assert "content-encoding" not in small.headers
    assert "content-encoding" not in events.headers
    assert events.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert packed.text == "x" * 5000
    assert packed.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("path", ["/api/t/echo", "/api/t/json"])
async def test_a_body_of_more_than_1_mib_is_refused_however_it_comes(client: httpx2.AsyncClient, path: str) -> None:
    """With a length before it is read, in chunks as soon as it is too much."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    for content in (b" " * (MAX_BODY_BYTES + 1), chunks()):
        answer = await client.post(path, content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await client.post("/api/t/echo", content=b" " * MAX_BODY_BYTES)).json()["size"] == MAX_BODY_BYTES


async def test_nobody_is_read_before_being_known(anon_client: httpx2.AsyncClient) -> None:
    """A body that cannot be read is of no interest without a sign-in."""
    answer = await anon_client.post("/api/t/json", content=b"{", headers={"Content-Type": "application/json"})

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("hearth.example", 200),
        ("HEARTH.example:8000", 200),
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("evil.example", 400),
        ("hearth.example.evil.example", 400),
        ("", 400),
    ],
)
async def test_only_named_hosts_are_answered(make_app: Callable[..., FastAPI], host: str, status: int) -> None:
    """ALLOWED_HOSTS keeps out names that somebody else points here; this machine's own names always work."""
    async with running(make_app(allowed_hosts=("hearth.example",))) as app, client_of(app) as client:
        answer = await client.get("/api/health", headers={"Host": host})

    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["code"] == "host_not_allowed"


async def test_cors_is_off_unless_an_origin_is_named(
    anon_client: httpx2.AsyncClient, make_app: Callable[..., FastAPI], tmp_path: Any
) -> None:
    """A named origin may send tokens, never the cookie."""
    preflight = {
        "Origin": "https://friend.test", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }  # fmt: skip
    refused = await anon_client.options("/api/settings", headers=preflight)
    assert "access-control-allow-origin" not in refused.headers
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    app = make_app(cors_origins=("https://friend.test",), workspace=elsewhere)
    async with running(app) as friendly, client_of(friendly) as client:
        allowed = await client.options("/api/settings", headers=preflight)
        foreign = await client.options("/api/settings", headers={**preflight, "Origin": "https://evil.test"})
        unauthorised = await client.get("/api/settings", headers={"Origin": "https://friend.test"})

    assert allowed.headers["access-control-allow-origin"] == "https://friend.test"
    assert "access-control-allow-credentials" not in allowed.headers
    assert "access-control-allow-origin" not in foreign.headers
    assert unauthorised.status_code == 401
    assert unauthorised.headers["access-control-allow-origin"] == "https://friend.test"


async def test_a_request_id_stays_with_its_request(client: httpx2.AsyncClient, log: io.StringIO) -> None:
    """Fifty at once do not mix them up, and none stays behind."""
    names = [f"request-{number}" for number in range(50)]
    answers = await asyncio.gather(*(client.get("/api/t/echo", headers={"X-Request-ID": name}) for name in names))

    assert [answer.headers["x-request-id"] for answer in answers] == names
    assert sorted(line["request_id"] for line in _lines(log)) == sorted(names)
