"""Slow down guessing without locking anybody out.

Each client has five attempts, then waits 1, 2, 4 … 60 s between two. Many clients together are slowed down too: when more
than 30 attempts have failed lately, every client that is not known is given a place in a queue, one place per client, at
most 2 s apart. A place is kept until it is taken, so however many others guess, the owner's turn comes. Time spent
waiting is never extended by asking again.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from backend.auth.errors import TooManyAttempts
from backend.kit.clock import monotonic_s

_FREE_ATTEMPTS = 5
_MAX_DELAY_S = 60.0
_FORGET_S = 900.0
_MAX_CLIENTS = 4096

_CROWD_FREE = 30
_CROWD_LEAK_PER_S = 1 / 6
_CROWD_STEP_S = 0.25
_CROWD_MAX_DELAY_S = 2.0


@dataclass(slots=True)
class _Client:
    failures: int = 0
    blocked_until: float = 0.0
    place: int | None = None
    seen_at: float = 0.0


class LoginThrottle:
    """Decide whether an attempt may be made now.

    Attempts are taken one after the other by the caller, so that parallel guesses count like guesses in a row.
    """

    def __init__(self, now_s: Callable[[], float] = monotonic_s) -> None:
        self._now_s = now_s
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        self._crowd = 0.0
        self._crowd_at = now_s()
        self._next_place = 0
        self._called = 0.0  # places up to this one may pass; it moves on with time, one place per delay
        self._called_at = now_s()

    def admit(self, client: str, *, is_known: bool = False) -> None:
        """Let an attempt of *client* pass.

        Args:
            client: An address, or the name of a browser that has been signed in before.
            is_known: The client does not queue with the crowd.
        Raises:
            TooManyAttempts: With ``retry_after_s``; the attempt does not count.
        """
        now = self._now_s()
        state = self._state(client, now)
        if now < state.blocked_until:
            raise _too_many(state.blocked_until - now)
        if not is_known:
            self._queue(state, now)

    def failed(self, client: str) -> None:
        """Count a wrong password."""
        now = self._now_s()
        state = self._state(client, now)
        state.failures += 1
        if state.failures >= _FREE_ATTEMPTS:
            state.blocked_until = now + min(_MAX_DELAY_S, 2.0 ** min(state.failures - _FREE_ATTEMPTS, 16))
        self._crowd = self._crowd_now(now) + 1

    def succeeded(self, client: str) -> None:
        """Forget what *client* did wrong before it had it right."""
        self._clients.pop(client, None)

    def _state(self, client: str, now: float) -> _Client:
        state = self._clients.pop(client, None)
        if state is None or now - state.seen_at > _FORGET_S:
            state = _Client()
        state.seen_at = now
        self._clients[client] = state  # the newest stands last
        while len(self._clients) > _MAX_CLIENTS:
            self._clients.popitem(last=False)
        return state

    def _queue(self, state: _Client, now: float) -> None:
        delay_s = self._crowd_delay_s(now)
        if delay_s:
            self._called = min(self._next_place, self._called + (now - self._called_at) / delay_s)
        else:
            self._called = self._next_place
        self._called_at = now
        if state.place is None:
            state.place = self._next_place
            self._next_place += 1
        if state.place > self._called:
            # Asking once a minute keeps the place from being forgotten.
            raise _too_many(min(_MAX_DELAY_S, (state.place - self._called) * delay_s))
        state.place = None

    def _crowd_delay_s(self, now: float) -> float:
        excess = self._crowd_now(now) - _CROWD_FREE
        return min(_CROWD_MAX_DELAY_S, _CROWD_STEP_S * 2.0 ** int(excess / 10)) if excess > 0 else 0.0

    def _crowd_now(self, now: float) -> float:
        self._crowd = max(0.0, self._crowd - (now - self._crowd_at) * _CROWD_LEAK_PER_S)
        self._crowd_at = now
        return self._crowd


def throttle_key(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 network that one IPv6 customer owns."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return address


def _too_many(wait_s: float) -> TooManyAttempts:
    shown = max(1, math.ceil(wait_s))
    return TooManyAttempts(f"Too many wrong passwords: try again in {shown} s.", details={"retry_after_s": shown})
