"""Programs carry keys, scripts open WebSockets with tickets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from backend.auth import Auth, Credentials, KeyNotFound, NotSignedIn, Scope
from backend.auth.store import auth_api_keys
from backend.database import Database
from tests.auth.clock import HandClock
from tests.auth.requests import bearer, by_cookie, socket
from tests.secret_watch import watch

pytestmark = pytest.mark.anyio

Start = Callable[..., Awaitable[Auth]]


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_key_works_at_once_and_after_a_restart_and_is_kept_as_a_hash(
    open_auth: Start, password: str, scope: Scope, tmp_path: Path
) -> None:
    """By Authorization and by X-API-Key, with the scope it was made with."""
    auth = await open_auth(password)
    made = await auth.create_key("render farm", scope)
    watch("API key", made.key)

    for is_new_start in (False, True):
        door = await open_auth(password) if is_new_start else auth
        for request in (bearer(made.key), Credentials("GET", {"x-api-key": made.key})):
            who = await door.identify(request)
            assert (who.kind, who.name, who.scope, who.key_id) == ("key", "render farm", scope, made.stored.id)
    assert made.key.startswith("hearth_")
    assert made.key.endswith(made.stored.ends_with)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or made.key.encode() not in path.read_bytes()


async def test_a_revoked_key_ends_at_once_and_for_good(open_auth: Start, password: str) -> None:
    """Whoever holds a connection open can notice."""
    auth = await open_auth(password)
    made = await auth.create_key("lost laptop", Scope.READ)
    watch("API key", made.key)
    who = await auth.identify(bearer(made.key))
    assert auth.is_live(who)
    await auth.revoke_key(made.stored.id)

    assert not auth.is_live(who)
    for is_new_start in (False, True):
        door = await open_auth(password) if is_new_start else auth
        with pytest.raises(NotSignedIn):
            await door.identify(bearer(made.key))
    with pytest.raises(KeyNotFound):
        await auth.revoke_key(made.stored.id)


@pytest.mark.parametrize("wanted", [False, True])
async def test_a_key_remembers_whether_jobs_end_with_the_socket(open_auth: Start, password: str, wanted: bool) -> None:
    """So does the ticket that was bought with it."""
    made = await (await open_auth(password)).create_key("n8n", Scope.GENERATE, cancel_on_disconnect=wanted)
    watch("API key", made.key)

    again = await open_auth(password)
    who = await again.identify(bearer(made.key))
    ticket = again.ticket(who)
    watch("ticket", ticket.value)
    assert who.cancel_on_disconnect is wanted
    assert (await again.identify(socket(ticket=ticket.value))).cancel_on_disconnect is wanted
    assert [key.cancel_on_disconnect for key in again.api_keys()] == [wanted]


async def test_last_use_is_known_and_written_at_most_once_a_minute(auth: Auth, database: Database) -> None:
    """A key in a loop causes one write."""
    made = await auth.create_key("loop", Scope.READ)
    watch("API key", made.key)
    assert auth.api_keys()[0].last_used_at is None
    for _ in range(100):
        await auth.identify(bearer(made.key))
    await auth.close()
    [stored] = await database.read(lambda c: c.execute(auth_api_keys.select()).all())

    in_memory = auth.api_keys()[0].last_used_at
    assert in_memory is not None
    assert stored.last_used_at < in_memory.isoformat()


def test_a_wider_scope_includes_the_narrower() -> None:
    """Manage ⊃ generate ⊃ read."""
    assert [[a.includes(b) for b in Scope] for a in Scope] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


async def test_a_ticket_opens_one_websocket_once(auth: Auth) -> None:
    """With the rights of who asked for it."""
    made = await auth.create_key("monitor", Scope.READ)
    watch("API key", made.key)
    ticket = auth.ticket(await auth.identify(bearer(made.key)))
    watch("ticket", ticket.value)
    who = await auth.identify(socket(ticket=ticket.value))

    assert (who.kind, who.name, who.scope) == ("ticket", "monitor", Scope.READ)
    with pytest.raises(NotSignedIn, match="used"):
        await auth.identify(socket(ticket=ticket.value))


async def test_of_many_who_use_one_ticket_one_gets_in(auth: Auth) -> None:
    """Single use also holds in parallel."""
    ticket = auth.ticket(await auth.identify(bearer(auth.local_token())))
    attempts = (auth.identify(socket(ticket=ticket.value)) for _ in range(20))
    results = await asyncio.gather(*attempts, return_exceptions=True)

    assert sum(not isinstance(result, NotSignedIn) for result in results) == 1


async def test_a_ticket_lasts_a_minute_and_no_longer_than_its_owner(
    auth: Auth, password: str, clock: HandClock
) -> None:
    """An old ticket, and one whose sign-in has ended, open nothing."""
    signed_in = await auth.login(password, client="192.0.2.1", agent="")
    watch("session token", signed_in.access_token)
    who = await auth.identify(bearer(signed_in.access_token))
    early, late, orphan = (auth.ticket(who) for _ in range(3))
    clock.forward(59)
    assert await auth.identify(socket(ticket=early.value))
    clock.forward(1)
    with pytest.raises(NotSignedIn):
        await auth.identify(socket(ticket=late.value))
    orphan = auth.ticket(who)
    await auth.logout(who)
    with pytest.raises(NotSignedIn):
        await auth.identify(socket(ticket=orphan.value))


async def test_tickets_are_bounded(auth: Auth) -> None:
    """A loop that asks for tickets pushes out its own oldest."""
    who = await auth.identify(bearer(auth.local_token()))
    first = auth.ticket(who)
    for _ in range(1500):
        last = auth.ticket(who)

    assert len(auth._tickets._open) <= 1000
    with pytest.raises(NotSignedIn):
        await auth.identify(socket(ticket=first.value))
    assert await auth.identify(socket(ticket=last.value))


async def test_tokens_in_an_address_count_for_websockets_only(auth: Auth, password: str) -> None:
    """Addresses end in histories and logs of proxies."""
    token = (await auth.login(password, client="192.0.2.1", agent="")).access_token
    watch("session token", token)

    assert await auth.identify(socket(token=token))
    for query in ({"token": token}, {"ticket": auth.ticket(await auth.identify(bearer(token))).value}):
        with pytest.raises(NotSignedIn):
            await auth.identify(Credentials("GET", {}, {}, query))


async def test_what_was_sent_on_purpose_counts_before_the_cookie(auth: Auth, password: str) -> None:
    """A wrong key is not saved by a good cookie; basic sign-in of a proxy in front is none of our business."""
    token = (await auth.login(password, client="192.0.2.1", agent="")).access_token
    watch("session token", token)

    with pytest.raises(NotSignedIn):
        await auth.identify(by_cookie(token, authorization="Bearer hearth_wrong"))
    assert await auth.identify(by_cookie(token, authorization="Basic dXNlcjpwYXNz"))
