"""Every error of every endpoint has one shape and says what to do next."""

from __future__ import annotations

import re
import secrets

import httpx2
import pytest

from backend.api.errors import error_response
from backend.errors import HearthError, every_error
from scripts.docs.tables import errors_block
from tests.secret_watch import secret, watch

pytestmark = pytest.mark.anyio


def test_every_kind_of_error_has_its_own_code_status_and_hint() -> None:
    """One class per code; abstract bases do not share the codes of their children."""
    errors_block()  # imports every module
    kinds = [kind for kind in every_error() if kind.__module__.startswith("backend.")]
    codes = [kind.code for kind in kinds]

    assert len(kinds) > 30
    assert sorted(code for code in set(codes) if codes.count(code) > 1) == []
    for kind in kinds:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", kind.code), kind
        assert 400 <= kind.status < 600, kind
        assert kind.default_hint[0].isupper(), kind
        assert kind.default_hint.rstrip().endswith((".", "…", "!")), kind
        assert kind.__doc__, kind


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/api/no/such/page", {}, 404, "no_such_page"),
        ("PUT", "/api/settings", {}, 405, "method_not_allowed"),
        ("PATCH", "/api/settings", {"content": "{", "headers": {"Content-Type": "application/json"}}, 422, "invalid_request"),
        ("PATCH", "/api/settings", {"json": [1]}, 422, "invalid_request"),
        ("PATCH", "/api/settings", {"json": {"colour": 1}}, 404, "unknown_setting"),
        ("GET", "/api/presets/nobody", {}, 404, "preset_not_found"),
        ("DELETE", "/api/auth/keys/nobody", {}, 404, "key_not_found"),
    ],
)  # fmt: skip
async def test_whatever_goes_wrong_has_one_shape(
    client: httpx2.AsyncClient, method: str, path: str, options: dict[str, object], status: int, code: str
) -> None:
    """Routing, reading, checking and doing answer alike."""
    answer = await client.request(method, path, **options)  # type: ignore[arg-type]
    error = answer.json()["error"]

    assert (answer.status_code, error["code"]) == (status, code)
    assert set(error) <= {"code", "message", "hint", "details"}
    assert error["message"].endswith(".")
    assert error["hint"]


async def test_a_refused_value_is_named_by_its_field_and_not_repeated(client: httpx2.AsyncClient) -> None:
    """It may have been a password."""
    value = secret("mistyped password") * 60
    answer = await client.post("/api/auth/password", json={"current_password": "x", "new_password": value})
    [problem] = answer.json()["error"]["details"]["problems"]

    assert answer.status_code == 422
    assert problem["field"] == "new_password"
    assert value not in answer.text


class _Broken(HearthError):
    """An error that comes and goes."""

    code = "broken_for_a_test"
    status = 503


def test_an_answer_holds_no_secret_and_tells_when_to_come_back() -> None:
    """Messages pass through redaction; retry_after_s becomes the header, never 0."""
    token = watch("token in a message", f"hf_{secrets.token_hex(17)}")
    url = f"https://host.test/f?token={token}"
    answer = error_response(_Broken(f"{url} failed with {token}.", details={"retry_after_s": 0.2}))

    assert token.encode() not in answer.body
    assert answer.headers["retry-after"] == "1"


def test_a_401_names_the_way_in() -> None:
    """RFC 9110: a 401 carries WWW-Authenticate."""
    from backend.auth import NotSignedIn

    assert error_response(NotSignedIn("Sign in first.")).headers["www-authenticate"] == 'Bearer realm="Hearth"'
