"""The words of the status line: made of whatever sentence, safe in a header, and left as usual where nothing is said."""

from __future__ import annotations

import socket
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from backend.compat.reason import give_reason, reason_of
from tests.compat.house import House
from tests.secret_watch import secret


@given(st.text(max_size=400))
def test_no_sentence_can_break_the_head_of_an_answer(sentence: str) -> None:
    """Visible ASCII and spaces only (RFC 9112, section 4), and short."""
    scope: dict[str, Any] = {}
    give_reason(scope, sentence)
    words = reason_of(scope)

    assert len(words) <= 200
    assert all(0x20 <= byte <= 0x7E for byte in words)


def test_typography_is_spelt_out_and_secrets_stay_inside() -> None:
    """People read it; logs of proxies keep it."""
    scope: dict[str, Any] = {"state": {}}
    key = secret("API key", "hearth_")
    give_reason(scope, f"It’s too large – 4096×4096…\r\nX: {key}")

    assert reason_of(scope) == b"It's too large - 4096x4096... X: [redacted]"
    assert reason_of({}) == b""


def test_each_answer_on_a_connection_has_its_own_words(house: House) -> None:
    """Also when requests come before the answers to those before them; bodies stay as they are."""
    head = f"Host: h\r\nAuthorization: Bearer {house.key}\r\n"
    requests = "".join(f"GET /v1/models{path} HTTP/1.1\r\n{head}\r\n" for path in ("/none", "/text-to-image", "/no"))
    with socket.create_connection(("127.0.0.1", house.port), timeout=20) as connection:
        connection.sendall(requests.encode())
        received = b""
        while received.count(b"HTTP/1.1 ") < 3 or not received.endswith(b"}}"):
            received += connection.recv(65536)

    lines = [line for line in received.split(b"\r\n") if b"HTTP/1.1 " in line]
    assert [line.partition(b"HTTP/1.1 ")[2] for line in lines] == [
        b"404 The model 'none' does not exist here: models are workflows.",
        b"200 OK",
        b"404 The model 'no' does not exist here: models are workflows.",
    ]
    assert received.lower().count(b"cache-control: no-store") == 3
