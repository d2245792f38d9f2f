"""Signing in and out over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from backend.app import create_app
from backend.config import load_settings
from tests.conftest import client_of, running
from tests.secret_watch import secret, watch

pytestmark = pytest.mark.anyio

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


async def _sign_in(client: httpx2.AsyncClient, password: str, **options: Any) -> httpx2.Response:
    answer = await client.post("/api/auth/login", json={"password": password}, **options)
    if answer.status_code == 200:
        watch("session token", answer.json()["access_token"])
    return answer


def _bodies(password: str) -> dict[str, dict[str, Any]]:
    json_text = f'{{"password":"{password}"}}'
    return {
        "json": {"json": {"password": password}},
        "the roadmap's curl -d": {"content": json_text, "headers": FORM},
        "form": {"data": {"password": password}},
        "multipart form": {"files": {"password": (None, password)}},
        "json without a type": {"content": json_text},
        "json with a charset": {"content": json_text, "headers": {"Content-Type": "application/json; charset=utf-8"}},
    }


@pytest.mark.parametrize("kind", list(_bodies("")))
async def test_every_way_to_send_a_password_works(anon_client: httpx2.AsyncClient, password: str, kind: str) -> None:
    """A token comes back, and the cookie that browsers keep."""
    answer = await anon_client.post("/api/auth/login", **_bodies(password)[kind])
    body = answer.json()

    assert answer.status_code == 200, answer.text
    assert set(body) == {"access_token", "token_type", "expires_at"}
    assert body["token_type"] == "bearer"
    assert answer.headers["cache-control"] == "no-store"
    token = watch("session token", body["access_token"])
    session, device = answer.headers.get_list("set-cookie")
    assert session.startswith(f"hearth_session={token};")
    for cookie in (session, device):
        assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
    anon_client.cookies.clear()
    answer = await anon_client.get("/api/auth/verify", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.headers["x-hearth-user"]) == (204, "owner")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"{}", {}),
        (b'{"password": ""}', {}),
        (b'{"password": 5}', {}),
        (b'{"password": ["a"]}', {}),
        (b'["password"]', {}),
        (b"{", {}),
        (b"\xff\xfe", {}),
        (b"[" * 5000, {}),
        (b"user=a", FORM),
        (b"password=", FORM),
        (b"\xff=\xff", FORM),
        (b"a=1&" * 1000, FORM),
        (b"nonsense", {"Content-Type": "multipart/form-data"}),
        (b"nonsense", {"Content-Type": "multipart/form-data; boundary=x"}),
        (b'--x\r\nContent-Disposition: form-data; name="password"; filename="a"\r\n\r\nb\r\n--x--', {"Content-Type": "multipart/form-data; boundary=x"}),
    ],
)  # fmt: skip
async def test_a_login_that_cannot_be_read_is_refused_kindly(
    anon_client: httpx2.AsyncClient, body: bytes, headers: dict[str, str]
) -> None:
    """One shape of error, and never a 500."""
    answer = await anon_client.post("/api/auth/login", content=body, headers=headers)

    assert answer.status_code in (400, 422), answer.text
    assert set(answer.json()["error"]) >= {"code", "message", "hint"}


async def test_a_login_is_not_read_beyond_8_kib(anon_client: httpx2.AsyncClient) -> None:
    """Who is not signed in cannot make Hearth keep much."""

    async def endless() -> Any:
        for _ in range(100):
            yield b"x" * 1024

    for content in (b"x" * 9000, endless()):
        answer = await anon_client.post("/api/auth/login", content=content)
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "body_too_large"


async def test_a_wrong_password_says_so_and_guessing_is_slowed_down(
    anon_client: httpx2.AsyncClient, password: str
) -> None:
    """401 five times, then 429 with Retry-After; the guesses are in no answer."""
    for _ in range(5):
        answer = await _sign_in(anon_client, "a wrong guess")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "wrong_password")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    answer = await _sign_in(anon_client, password)

    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_attempts")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "guess" not in answer.text


async def test_a_foreign_page_cannot_sign_its_visitor_in(make_app: Callable[..., FastAPI], password: str) -> None:
    """Except from an origin that the owner named."""
    friend = {"Sec-Fetch-Site": "cross-site", "Origin": "https://friend.test"}
    async with running(make_app(cors_origins=("https://friend.test",))) as app, client_of(app) as client:
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}):
            answer = await _sign_in(client, password, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross_site_request")
        answer = await _sign_in(client, password, headers=friend)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://friend.test"


async def test_the_cookie_reads_and_writes_only_for_own_pages(anon_client: httpx2.AsyncClient, password: str) -> None:
    """A form on another site changes nothing."""
    await _sign_in(anon_client, password)
    assert (await anon_client.get("/api/auth/sessions")).json()["total"] == 1

    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://x.test"}):
        answer = await anon_client.post("/api/auth/logout", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross_site_request")
    for headers in (OWN_PAGE, {"Origin": "http://hearth.test"}):
        assert (await anon_client.post("/api/auth/ticket", headers=headers)).status_code == 200


async def test_the_cookie_is_for_https_only_when_it_came_by_https(app: FastAPI, password: str) -> None:
    """Also behind a trusted proxy that ends TLS."""
    async with client_of(app) as client:
        answer = await _sign_in(client, password, headers={"X-Forwarded-Proto": "https"})

    assert all(cookie.endswith("; Secure") for cookie in answer.headers.get_list("set-cookie"))


async def test_signing_out_clears_the_cookie_and_ends_the_token(anon_client: httpx2.AsyncClient, password: str) -> None:
    """The token is dead even for somebody who kept it."""
    token = (await _sign_in(anon_client, password)).json()["access_token"]
    answer = await anon_client.post("/api/auth/logout", headers=OWN_PAGE)

    assert answer.status_code == 204
    assert "hearth_session" not in anon_client.cookies
    answer = await anon_client.get("/api/auth/sessions", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_signed_in")


async def test_a_refreshed_token_takes_the_place_of_the_old_one(client: httpx2.AsyncClient) -> None:
    """The cookie follows."""
    answer = await client.post("/api/auth/refresh")
    fresh = watch("session token", answer.json()["access_token"])

    assert answer.headers["set-cookie"].startswith(f"hearth_session={fresh};")
    client.cookies.clear()
    assert (await client.get("/api/auth/verify")).status_code == 401
    client.headers["Authorization"] = f"Bearer {fresh}"
    assert (await client.get("/api/auth/verify")).status_code == 204


async def test_sign_ins_are_listed_and_ended(client: httpx2.AsyncClient, password: str) -> None:
    """Who asks is marked and stays."""
    for _ in range(3):
        await _sign_in(client, password, headers={"User-Agent": "Lynx"})
    client.cookies.clear()
    listed = (await client.get("/api/auth/sessions")).json()
    [mine] = [item for item in listed["items"] if item["is_current"]]
    others = [item for item in listed["items"] if not item["is_current"]]

    assert listed["total"] == 4
    assert {item["agent"] for item in others} == {"Lynx"}
    assert (await client.delete(f"/api/auth/sessions/{others[0]['id']}")).status_code == 204
    answer = await client.delete(f"/api/auth/sessions/{others[0]['id']}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "session_not_found")
    assert (await client.delete("/api/auth/sessions")).status_code == 204
    assert [item["id"] for item in (await client.get("/api/auth/sessions")).json()["items"]] == [mine["id"]]


async def test_a_key_is_shown_once_and_does_what_its_scope_says(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """Read keys read; nothing but manage makes keys."""
    made = (await client.post("/api/auth/keys", json={"name": " monitor ", "scope": "read"})).json()
    key = watch("API key", made["key"])
    listed = (await client.get("/api/auth/keys")).json()

    assert made["name"] == "monitor"
    assert key not in str(listed)
    assert [(item["id"], item["ends_with"], item["last_used_at"]) for item in listed["items"]] == [
        (made["id"], key[-4:], None)
    ]
    async with client_of(app, headers={"X-API-Key": key}) as program:
        assert (await program.get("/api/settings")).status_code == 200
        answer = await program.post("/api/auth/keys", json={"name": "more", "scope": "manage"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "scope_missing")
        assert answer.json()["error"]["details"] == {"needs": "manage", "has": "read"}
        assert (await client.delete(f"/api/auth/keys/{made['id']}")).status_code == 204
        assert (await program.get("/api/settings")).status_code == 401


async def test_a_key_tells_whether_jobs_end_with_the_socket(client: httpx2.AsyncClient) -> None:
    """Not unless that was asked for."""
    for number, body in enumerate(({}, {"cancel_on_disconnect": True})):
        made = (await client.post("/api/auth/keys", json={"name": "n8n", **body})).json()
        watch("API key", made["key"])
        listed = (await client.get("/api/auth/keys")).json()["items"]

        assert made["cancel_on_disconnect"] is bool(body)
        assert listed[number]["cancel_on_disconnect"] is bool(body)


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "x" * 61}, {"name": "a\nb"}, {"name": "a", "scope": "root"}])
async def test_a_key_needs_a_name_and_a_known_scope(client: httpx2.AsyncClient, body: dict[str, str]) -> None:
    """The refused value is not repeated."""
    answer = await client.post("/api/auth/keys", json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


async def test_a_password_of_the_environment_answers_409(client: httpx2.AsyncClient, password: str) -> None:
    """The hint says what to change instead."""
    new = secret("new password")
    answer = await client.post("/api/auth/password", json={"current_password": password, "new_password": new})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "password_set_by_environment")
    assert "ACCESS_PASSWORD" in answer.json()["error"]["hint"]


async def test_the_invented_password_can_be_changed(make_app: Callable[..., FastAPI], workspace: Any) -> None:
    """The whole first start: read the announced password, sign in, choose one's own."""
    announced: list[str] = []
    settings, _ = load_settings({}, workspace=workspace)
    async with running(create_app(settings, announce=announced.append)) as app, client_of(app) as client:
        [password] = announced
        watch("generated password", password)
        assert (await _sign_in(client, password)).status_code == 200
        new = secret("new password")
        for current, status in (("wrong", 401), (password, 204)):
            body = {"current_password": current, "new_password": new}
            answer = await client.post("/api/auth/password", json=body, headers=OWN_PAGE)
            assert answer.status_code == status
        assert (await client.get("/api/auth/verify")).status_code == 204
        client.cookies.clear()
        assert (await _sign_in(client, password)).status_code == 401
        assert (await _sign_in(client, new)).status_code == 200


async def test_verify_answers_for_the_request_that_a_proxy_describes(
    anon_client: httpx2.AsyncClient, app: FastAPI, password: str
) -> None:
    """Nginx asks with GET; the original method, address and upgrade decide."""
    token = (await _sign_in(anon_client, password)).json()["access_token"]

    async def verify(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await anon_client.get("/api/auth/verify", headers=named)).status_code

    assert await verify() == 204
    assert await verify(X_Original_Method="POST", Sec_Fetch_Site="same-origin") == 204
    assert await verify(X_Original_Method="POST", Sec_Fetch_Site="same-site") == 403
    assert await verify(Upgrade="websocket", Sec_Fetch_Site="cross-site") == 403
    anon_client.cookies.clear()
    assert await verify() == 401
    assert await verify(X_Original_URI=f"/ws?token={token}", Upgrade="websocket") == 204
    assert await verify(X_Original_URI=f"/view?token={token}") == 401
    assert await verify(X_Original_URI="//[", Upgrade="websocket") == 422


async def test_verify_can_ask_for_more_than_reading(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """ComfyUI's door asks for generate."""
    made = (await client.post("/api/auth/keys", json={"name": "spät", "scope": "generate"})).json()
    key = {"X-API-Key": watch("API key", made["key"])}
    async with client_of(app, headers=key) as program:
        answer = await program.get("/api/auth/verify", params={"scope": "generate"})
        assert (answer.status_code, answer.headers["x-hearth-user"]) == (204, "sp%C3%A4t")
        assert (await program.get("/api/auth/verify", params={"scope": "manage"})).status_code == 403


async def test_a_ticket_is_given_to_readers_too(client: httpx2.AsyncClient) -> None:
    """It lasts a minute."""
    answer = await client.post("/api/auth/ticket")

    assert watch("ticket", answer.json()["ticket"])
    assert answer.json()["expires_at"]
