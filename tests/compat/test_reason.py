"""The words of the status line: made of whatever sentence, safe in a header, and left as usual where nothing is said."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from backend.compat.reason import give_reason, reason_of
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
