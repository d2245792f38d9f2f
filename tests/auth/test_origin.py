"""A cookie is only good for writes and WebSockets of Hearth's own pages."""

from __future__ import annotations

from itertools import product

import pytest

from backend.auth import Auth, Credentials, CrossSiteRequest
from tests.auth.requests import bearer, by_cookie
from tests.secret_watch import watch

pytestmark = pytest.mark.anyio

OWN = [
    {"sec_fetch_site": "same-origin"},
    {"sec_fetch_site": "none"},
    {"origin": "http://hearth.test:8000", "host": "hearth.test:8000"},
    {"origin": "http://HEARTH.test", "host": "hearth.test"},
    {"origin": "https://hearth.test", "host": "hearth.test"},
    {"origin": "https://hearth.test", "host": "hearth.test:443"},
    {"origin": "http://[::1]:8000", "host": "[::1]:8000"},
]
FOREIGN = [
    {},
    {"sec_fetch_site": "cross-site", "origin": "http://hearth.test", "host": "hearth.test"},
    {"sec_fetch_site": "same-site", "origin": "http://other.hearth.test", "host": "hearth.test"},
    {"sec_fetch_site": "invented"},
    {"origin": "http://evil.test", "host": "hearth.test"},
    {"origin": "http://hearth.test:3001", "host": "hearth.test:8001"},
    {"origin": "http://hearth.test.evil.test", "host": "hearth.test"},
    {"origin": "http://evil.test/hearth.test", "host": "hearth.test"},
    {"origin": "http://hearth.test@evil.test", "host": "hearth.test"},
    {"origin": "null", "host": "hearth.test"},
    {"origin": "null", "host": ""},
    {"origin": "", "host": ""},
    {"origin": "http://hearth.test:port", "host": "hearth.test"},
    {"origin": "http://hearth.test"},
    {"origin": "file://", "host": ""},
    {"origin": "chrome-extension://hearth.test", "host": "hearth.test"},
]


@pytest.fixture
async def token(auth: Auth, password: str) -> str:
    """A sign-in that a browser holds."""
    return watch("session token", (await auth.login(password, client="192.0.2.1", agent="")).access_token)


async def test_hearths_own_pages_may_write(auth: Auth, token: str) -> None:
    """By the browser's word, or by equal origin and host."""
    for headers in OWN:
        assert await auth.identify(by_cookie(token, "POST", **headers))
        assert await auth.identify(by_cookie(token, is_websocket=True, **headers))


async def test_foreign_pages_may_not_write(auth: Auth, token: str) -> None:
    """Nor may a program that only has the cookie: it cannot be told from an old browser."""
    for method, headers in product(("POST", "PUT", "PATCH", "DELETE", "QUERY", "MADE-UP"), FOREIGN):
        with pytest.raises(CrossSiteRequest):
            await auth.identify(by_cookie(token, method, **headers))


async def test_foreign_pages_may_open_no_socket(auth: Auth, token: str) -> None:
    """Browsers apply no same-origin policy to WebSockets."""
    for headers in FOREIGN:
        with pytest.raises(CrossSiteRequest):
            await auth.identify(by_cookie(token, is_websocket=True, **headers))


async def test_reading_and_tokens_are_not_affected(auth: Auth, token: str) -> None:
    """A link from elsewhere opens the page; a program's token is sent by nobody but the program."""
    for headers in FOREIGN:
        assert await auth.identify(by_cookie(token, "GET", **headers))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        assert await auth.identify(Credentials("POST", {**named, **bearer(token).headers}))


def test_the_connection_scope_is_read_as_a_server_writes_it() -> None:
    """Cookies with quotes, spaces and without value; the query of a WebSocket only."""
    headers = [(b"host", b"h"), (b"cookie", b'a=1; hearth_session="x.y.z" ;junk; b=')]
    scope = {"type": "websocket", "headers": headers, "query_string": b"token=a%2Bb&empty=&token=c"}
    seen = Credentials.from_scope(scope)

    assert seen.cookies == {"a": "1", "hearth_session": "x.y.z", "b": ""}
    assert seen.query == {"token": "c", "empty": ""}
    assert seen.is_websocket
    seen = Credentials.from_scope({**scope, "type": "http", "method": "POST"})
    assert (seen.query, seen.is_write, seen.is_websocket) == ({}, True, False)
    assert "x.y.z" not in repr(seen)
