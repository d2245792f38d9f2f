"""Law: a service that keeps ending is started again for ever, ever later, and everybody can see it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.boot import attempts
from backend.boot.attempts import Attempt


def _crashed(before: Attempt, lived_s: float, *, code: int = 1) -> Attempt:
    return attempts.ended(before, code=code, number=0, reboot=False, now_ms=before.started_ms + lived_s * 1000)


def test_growing_pause() -> None:
    """The first crash restarts at once, then the pause doubles to half a minute and stays there."""
    attempt, pauses = Attempt("comfyui"), []
    for _ in range(9):
        attempt = _crashed(attempts.started(attempt, pid=7, now_ms=0), 1)
        pauses.append(attempt.pause_s)
    assert pauses == [0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert attempt.starts == attempt.failures == 9
    assert attempt.next_start_ms == 1000 + 30_000


@given(st.integers(1, 10**9))
def test_never_gives_up(failures: int) -> None:
    """However often it ended, it is started again within half a minute."""
    assert 0 <= attempts.pause_after(failures) <= attempts.LONGEST_PAUSE_S


def test_a_minute_is_stable() -> None:
    """A service that had run for a minute begins with no pause again."""
    tired = Attempt("hearth", failures=6)
    assert _crashed(tired, 59).pause_s == 30
    assert _crashed(tired, 61).pause_s == 0


@pytest.mark.parametrize(
    ("code", "number", "lived_s", "reason"),
    [
        (256, signal.SIGTERM, 1, "ordered"),
        (143, 0, 1, "ordered"),
        (0, 0, 30, "ordered"),
        (0, 0, 1, "crash"),
        (256, signal.SIGKILL, 100, "crash"),
        (256, signal.SIGSEGV, 100, "crash"),
        (1, 0, 100, "crash"),
    ],
)
def test_reasons(code: int, number: int, lived_s: float, reason: str) -> None:
    """A signal that stops politely was an order; ending early with 0 was not, as a usage text shows."""
    ended = attempts.ended(Attempt("x"), code=code, number=number, reboot=False, now_ms=lived_s * 1000)
    assert ended.reason == reason
    assert ended.exit_code == (None if code == 256 else code)
    assert ended.exit_signal == (signal.Signals(number).name if code == 256 else None)


def test_reboot_by_the_manager() -> None:
    """A service that asks to be started again is, at once, however short it lived."""
    ended = attempts.ended(Attempt("comfyui", failures=5), code=0, number=0, reboot=True, now_ms=1)
    assert (ended.reason, ended.failures, ended.pause_s) == ("reboot", 0, 0)


def test_record(tmp_path: Path) -> None:
    """What was written is read again; a damaged or missing record begins anew, a missing folder is no failure."""
    attempt = Attempt("nginx", starts=3, exit_code=1, reason="crash")
    attempts.write(tmp_path, attempt)
    assert attempts.read(tmp_path, "nginx") == attempt
    (tmp_path / "nginx.json").write_text('{"service"')
    assert attempts.read(tmp_path, "nginx") == Attempt("nginx")
    assert attempts.read(tmp_path, "hearth") == Attempt("hearth")
    attempts.write(tmp_path / "missing", attempt)
