"""Whom Hearth believes about a visitor's address and the name that the browser used."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from backend.api.proxies import TrustedProxies
from tests.secret_watch import watch

pytestmark = pytest.mark.anyio


def _scope(client: str, kind: str = "http", **headers: str) -> dict[str, Any]:
    named = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scheme = "ws" if kind == "websocket" else "http"
    return {"type": kind, "client": (client, 1), "scheme": scheme, "headers": [(b"host", b"inside:8000"), *named]}


def test_a_trusted_proxy_is_believed() -> None:
    """Client, scheme, host and port come from its headers; a WebSocket becomes wss."""
    proxies = TrustedProxies(["127.0.0.1", "10.0.0.0/8"])
    scope = _scope(
        "10.1.2.3", X_Forwarded_For="203.0.113.9, 10.9.9.9", X_Forwarded_Proto="https",
        X_Forwarded_Host="hearth.example", X_Forwarded_Port="8443",
    )  # fmt: skip
    proxies.apply(scope)
    socket = _scope("::ffff:127.0.0.1", "websocket", X_Forwarded_Proto="https")
    proxies.apply(socket)

    assert (scope["client"][0], scope["scheme"]) == ("203.0.113.9", "https")
    assert [value for name, value in scope["headers"] if name == b"host"] == [b"hearth.example:8443"]
    assert socket["scheme"] == "wss"


def test_a_stranger_is_not_believed() -> None:
    """Whoever reaches Hearth directly cannot write another address into the log or past the throttle."""
    scope = _scope("203.0.113.9", X_Forwarded_For="127.0.0.1", X_Forwarded_Proto="https", X_Forwarded_Host="x")
    before = (scope["client"], scope["scheme"], list(scope["headers"]))
    TrustedProxies(["127.0.0.1"]).apply(scope)

    assert (scope["client"], scope["scheme"], scope["headers"]) == before


@pytest.mark.parametrize(
    ("chain", "visitor"),
    [
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9, 127.0.0.1", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("203.0.113.9:5000", "203.0.113.9"),
        ("127.0.0.1", "127.0.0.1"),
        (" , ", "127.0.0.1"),
        ("unknown", "unknown"),
    ],
)
def test_the_last_stranger_of_the_chain_is_the_visitor(chain: str, visitor: str) -> None:
    """What stands before it was written by the visitor."""
    scope = _scope("127.0.0.1", X_Forwarded_For=chain)
    TrustedProxies(["127.0.0.1"]).apply(scope)

    assert scope["client"][0] == visitor


async def test_a_cookie_write_behind_a_proxy_is_judged_by_the_name_that_the_browser_used(
    anon_client: httpx2.AsyncClient, password: str
) -> None:
    """The proxy names itself towards Hearth, the visitor's name stands in X-Forwarded-Host."""
    answer = await anon_client.post("/api/auth/login", json={"password": password})
    watch("session token", answer.json()["access_token"])
    headers = {"Origin": "https://hearth.example", "Host": "inside:8000", "X-Forwarded-Proto": "https"}

    refused = await anon_client.post("/api/auth/ticket", headers=headers)
    allowed = await anon_client.post("/api/auth/ticket", headers={**headers, "X-Forwarded-Host": "hearth.example"})

    assert (refused.status_code, allowed.status_code) == (403, 200)
