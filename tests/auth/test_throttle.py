"""Guessing gets slow, for one client and for many, and the owner always gets a turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from backend.auth import Auth, TooManyAttempts, WrongPassword
from backend.auth.throttle import LoginThrottle, throttle_key
from tests.auth.clock import HandClock
from tests.secret_watch import watch

pytestmark = pytest.mark.anyio


def _wait_s(throttle: LoginThrottle, client: str) -> int:
    with pytest.raises(TooManyAttempts) as caught:
        throttle.admit(client)
    wait = caught.value.details["retry_after_s"]
    assert isinstance(wait, int)
    return wait


def test_after_five_failures_the_delay_doubles_up_to_a_minute(clock: HandClock) -> None:
    """1, 2, 4 … 60 s; asking during the delay does not make it longer."""
    throttle = LoginThrottle(clock)
    delays: list[float] = []
    for attempt in range(14):
        throttle.admit("a")
        throttle.failed("a")
        if attempt >= 4:
            shown = [_wait_s(throttle, "a") for _ in range(3)]
            assert len(set(shown)) == 1
            start = clock.now
            clock.forward(shown[0])
            delays.append(clock.now - start)

    assert delays[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert max(delays) == delays[-1] == 60


def test_success_forgets_and_so_does_time(clock: HandClock) -> None:
    """A right password gives all free attempts back, and so do 15 quiet minutes."""
    throttle = LoginThrottle(clock)
    for _ in range(4):
        throttle.admit("a")
        throttle.failed("a")
    throttle.succeeded("a")
    for _ in range(5):
        throttle.admit("a")
        throttle.failed("a")
    assert _wait_s(throttle, "a")
    clock.forward(901)
    for _ in range(5):
        throttle.admit("a")
        throttle.failed("a")


def test_many_clients_are_slowed_down_together(clock: HandClock) -> None:
    """A thousand addresses cannot guess faster than one attempt in some hundred milliseconds, soon two seconds."""
    throttle = LoginThrottle(clock)
    passed = 0
    start = clock.now
    while clock.now < start + 60:
        for number in range(1000):
            try:
                throttle.admit(f"client {number}")
            except TooManyAttempts:
                continue
            throttle.failed(f"client {number}")
            passed += 1
        clock.forward(0.25)

    assert passed < 120


def test_the_owner_gets_a_turn_however_many_guess(clock: HandClock) -> None:
    """A place in the queue is kept: others can take later places only."""
    throttle = LoginThrottle(clock)
    for number in range(200):
        try:
            throttle.admit(f"client {number}")
            throttle.failed(f"client {number}")
        except TooManyAttempts:
            pass
    asked_at = clock.now
    wait_s = _wait_s(throttle, "the owner")
    while wait_s:
        for number in range(1000, 2000):
            with contextlib.suppress(TooManyAttempts):
                throttle.admit(f"client {number}")
        clock.forward(wait_s)
        try:
            throttle.admit("the owner")
            wait_s = 0
        except TooManyAttempts:
            wait_s = _wait_s(throttle, "the owner")

    assert clock.now - asked_at <= 200 * 2 + 60


def test_a_known_browser_does_not_queue_with_the_crowd(clock: HandClock) -> None:
    """It only answers for its own failures."""
    throttle = LoginThrottle(clock)
    for number in range(100):
        throttle.failed(f"client {number}")
    throttle.admit("the first in the queue")
    assert _wait_s(throttle, "the second")

    throttle.admit("known:1", is_known=True)


def test_memory_is_bounded(clock: HandClock) -> None:
    """A hundred thousand addresses leave the newest few thousand."""
    throttle = LoginThrottle(clock)
    for number in range(100_000):
        throttle.failed(f"client {number}")

    assert len(throttle._clients) <= 4096


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("unix:/run/socket", "unix:/run/socket"),
    ],
)
def test_one_customer_is_one_client(address: str, key: str) -> None:
    """Nobody gets free attempts by walking through the addresses of a /64."""
    assert throttle_key(address) == key


async def test_parallel_guesses_count_like_guesses_in_a_row(auth: Auth) -> None:
    """Of forty at once five are checked; the others are told to wait."""
    guesses = (auth.login(f"guess {n}", client="192.0.2.66", agent="") for n in range(40))
    results = await asyncio.gather(*guesses, return_exceptions=True)
    kinds = [type(result) for result in results]

    assert kinds.count(WrongPassword) == 5
    assert kinds.count(TooManyAttempts) == 35


async def test_many_right_passwords_at_once_all_get_in(auth: Auth, password: str) -> None:
    """A script with forty workers behind one address is no attacker."""
    logins = (auth.login(password, client="192.0.2.5", agent="") for _ in range(40))

    assert len({watch("session token", signed.access_token) for signed in await asyncio.gather(*logins)}) == 40


async def test_a_browser_that_was_signed_in_before_is_not_held_up_by_its_neighbours(
    auth: Auth, password: str, open_auth: Callable[..., Awaitable[Auth]]
) -> None:
    """Everybody behind one address shares its delay, except the owner's own browser; a forged mark is worth nothing."""
    device = watch("device token", (await auth.login(password, client="192.0.2.1", agent="")).device_token)
    for _ in range(5):
        with pytest.raises(WrongPassword):
            await auth.login("a guess", client="192.0.2.1", agent="")

    for mark in (None, "", "forged", device[:-4] + "AAAA"):
        with pytest.raises(TooManyAttempts):
            await auth.login(password, client="192.0.2.1", agent="", device=mark)
    assert await auth.login(password, client="192.0.2.1", agent="", device=device)
    again = await open_auth(password)
    assert await again.login(password, client="192.0.2.1", agent="", device=device)
