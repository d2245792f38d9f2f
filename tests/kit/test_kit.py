"""The laws of the domain-free tools."""

from __future__ import annotations

import random
import stat
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.kit import redact as redaction
from backend.kit.atomic import write_atomic
from backend.kit.backoff import delay_s
from backend.kit.ids import new_id
from backend.kit.lifecycle import IllegalTransition, Lifecycle
from backend.kit.redact import MASK, redact, redact_url, register_secret
from backend.kit.units import format_bytes, parse_rate, parse_size


def test_atomic_write_replaces_the_whole_file_and_sets_its_mode(tmp_path: Path) -> None:
    """A reader sees the old content or the new one; a secret is never readable by others."""
    target = tmp_path / "secret.json"
    target.write_text("old")
    write_atomic(target, "new", mode=0o600)

    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [target] == list(tmp_path.iterdir())


def test_atomic_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """A directory in the way keeps its place, and no temporary file stays."""
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(OSError):
        write_atomic(target, "text")

    assert [target] == list(tmp_path.iterdir())


@given(st.integers(1, 60))
def test_backoff_grows_to_its_cap_and_keeps_its_jitter(attempt: int) -> None:
    """A delay lies in the upper half of an edge that doubles up to the cap."""
    delay = delay_s(attempt, base_s=1, cap_s=30, rng=random.Random(attempt))

    edge = min(30, 2 ** (attempt - 1))
    assert edge / 2 <= delay <= edge


def test_ids_sort_by_time_and_differ() -> None:
    """A thousand ids are different, 24 hex characters each."""
    ids = [new_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert all(len(i) == 24 and int(i, 16) >= 0 for i in ids)
    assert ids[0][:12] <= ids[-1][:12]


class Light(StrEnum):
    RED = "red"
    GREEN = "green"
    OFF = "off"


def test_lifecycle_refuses_a_move_that_is_not_drawn() -> None:
    """Only drawn moves are legal; staying put always is."""
    lights = Lifecycle({Light.RED: {Light.GREEN, Light.OFF}, Light.GREEN: {Light.RED}})

    assert lights.check(Light.RED, Light.GREEN) is Light.GREEN
    assert lights.check(Light.OFF, Light.OFF) is Light.OFF
    assert lights.is_final(Light.OFF)
    with pytest.raises(IllegalTransition, match="off cannot become red"):
        lights.check(Light.OFF, Light.RED)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc.def-ghi",
        "token hf_AbCdEfGhIjKlMnOp failed",
        "GET https://cdn.example/x?X-Amz-Signature=AbCdEfGhIjKlMnOp&a=1",
        "GET /ws/downloads?token=AbCdEfGhIjKlMnOp HTTP/1.1",
        "https://user:AbCdEfGhIjKlMnOp@host/x",
        "eyJhbGciOiJIUzI1NiJ9.AbCdEfGhIjKlMnOp.AbCdEfGhIjKlMnOp",
    ],
)
def test_redaction_masks_what_looks_like_a_secret(text: str) -> None:
    """Tokens, signed queries and user info never pass."""
    assert "AbCdEfGhIjKlMnOp" not in redact(text)
    assert "abc.def-ghi" not in redact(text)


def test_redaction_masks_registered_values_and_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered value is masked anywhere; ordinary text is left alone."""
    monkeypatch.setattr(redaction, "_registered", set())
    register_secret("correct horse")
    register_secret("abc")

    assert redact("it was correct horse") == f"it was {MASK}"
    assert redact("abc in https://host/a/b?page=2") == "abc in https://host/a/b?page=2"
    assert redact_url("https://host/f?download=true&Signature=x") == f"https://host/f?download=true&Signature={MASK}"


@pytest.mark.parametrize(
    ("text", "size_bytes"), [("0", 0), ("10", 10), ("1.5GiB", 1610612736), ("10 MB", 10_000_000), ("2k", 2000)]
)
def test_sizes_are_read_as_people_write_them(text: str, size_bytes: int) -> None:
    """Decimal and binary units both work."""
    assert parse_size(text) == size_bytes
    assert parse_rate(f"{text}/s") == size_bytes


@pytest.mark.parametrize("text", ["", "GB", "-1", "1 furlong", "1,5GB", "kib"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A wrong size is an error, never zero."""
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


def test_bytes_are_written_as_the_dashboard_does() -> None:
    """GiB has one decimal below 100 and none above, smaller units none, TiB two."""
    written = [
        format_bytes(n).replace("\u00a0", " ")
        for n in (5, 2048, 3 * 1024**2, 14.34 * 1024**3, 250 * 1024**3, 1.5 * 1024**4)
    ]

    assert written == ["5 B", "2 KiB", "3 MiB", "14.3 GiB", "250 GiB", "1.50 TiB"]
