"""Sign-ins last while they are used, end when they are told to, and cost no database read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from backend.auth import Auth, NotASession, NotSignedIn, Scope, SessionNotFound, SignIn
from backend.auth.store import auth_sessions
from backend.database import Database
from backend.kit.clock import utc_now
from tests.auth.requests import bearer, by_cookie
from tests.secret_watch import watch

pytestmark = pytest.mark.anyio

Start = Callable[..., Awaitable[Auth]]


async def _sign_in(auth: Auth, password: str, client: str = "192.0.2.1") -> SignIn:
    signed_in = await auth.login(password, client=client, agent="Firefox")
    watch("session token", signed_in.access_token)
    return signed_in


async def test_a_token_says_who_asks_by_header_and_by_cookie(auth: Auth, password: str) -> None:
    """The owner may do everything."""
    token = (await _sign_in(auth, password)).access_token

    for request in (bearer(token), by_cookie(token)):
        who = await auth.identify(request)
        assert (who.kind, who.name, who.scope) == ("session", "owner", Scope.MANAGE)
    assert jwt.get_unverified_header(token)["alg"] == "HS256"


async def test_a_sign_in_survives_a_restart(open_auth: Start, password: str) -> None:
    """The row is found again by the token."""
    token = (await _sign_in(await open_auth(password), password)).access_token
    auth = await open_auth(password)

    assert (await auth.identify(bearer(token))).name == "owner"
    assert [session.agent for session in auth.sessions()] == ["Firefox"]


@pytest.mark.parametrize("is_new_start", [False, True])
async def test_signing_out_ends_the_token_for_good(open_auth: Start, password: str, is_new_start: bool) -> None:
    """In memory at once, and after a restart."""
    auth = await open_auth(password)
    token = (await _sign_in(auth, password)).access_token
    await auth.logout(await auth.identify(bearer(token)))
    if is_new_start:
        auth = await open_auth(password)

    with pytest.raises(NotSignedIn):
        await auth.identify(bearer(token))


async def test_a_refreshed_token_replaces_the_old_one(open_auth: Start, password: str) -> None:
    """One sign-in has one token; both starts agree."""
    auth = await open_auth(password)
    signed_in = await _sign_in(auth, password)
    fresh = await auth.refresh(await auth.identify(bearer(signed_in.access_token)))
    watch("session token", fresh.access_token)

    for is_new_start in (False, True):
        door = await open_auth(password) if is_new_start else auth
        assert (await door.identify(bearer(fresh.access_token))).session_id == signed_in.session_id
        with pytest.raises(NotSignedIn):
            await door.identify(bearer(signed_in.access_token))


async def test_use_moves_the_expiry_on_and_is_written_at_most_once_a_minute(
    open_auth: Start, password: str, database: Database
) -> None:
    """A row that is old is written once; the next uses stay in memory."""
    auth = await open_auth(password)
    signed_in = await _sign_in(auth, password)
    old = (utc_now() - timedelta(hours=3)).isoformat()
    soon = (utc_now() + timedelta(minutes=5)).isoformat()
    await database.write(lambda c: c.execute(auth_sessions.update().values(last_used_at=old, expires_at=soon)) and None)
    auth = await open_auth(password)
    await auth.identify(bearer(signed_in.access_token))
    await auth.close()  # waits for the write
    after_one = await database.read(lambda c: c.execute(auth_sessions.select()).one())
    for _ in range(100):
        await auth.identify(bearer(signed_in.access_token))
    await auth.close()
    after_many = await database.read(lambda c: c.execute(auth_sessions.select()).one())

    assert after_one.last_used_at > old
    assert after_one.expires_at > soon
    assert after_many == after_one
    assert auth.sessions()[0].expires_at > utc_now() + timedelta(hours=23)


async def test_an_unused_sign_in_runs_out(open_auth: Start, password: str, database: Database) -> None:
    """While Hearth runs and over a restart, where its row goes."""
    auth = await open_auth(password)
    first, second = [await _sign_in(auth, password) for _ in range(2)]
    past = (utc_now() - timedelta(seconds=1)).isoformat()
    for session in auth.sessions():
        if session.id == first.session_id:
            session.expires_at = utc_now() - timedelta(seconds=1)
    with pytest.raises(NotSignedIn):
        await auth.identify(bearer(first.access_token))
    assert [session.id for session in auth.sessions()] == [second.session_id]
    await database.write(lambda c: c.execute(auth_sessions.update().values(expires_at=past)) and None)
    auth = await open_auth(password)

    with pytest.raises(NotSignedIn):
        await auth.identify(bearer(second.access_token))
    assert await database.read(lambda c: c.execute(auth_sessions.select()).all()) == []


async def test_one_sign_in_or_all_others_can_be_ended(auth: Auth, password: str) -> None:
    """By id; what has ended cannot be ended twice."""
    mine, lost, other = [await _sign_in(auth, password) for _ in range(3)]
    await auth.revoke_session(lost.session_id)
    with pytest.raises(NotSignedIn):
        await auth.identify(bearer(lost.access_token))
    with pytest.raises(SessionNotFound):
        await auth.revoke_session(lost.session_id)
    who = await auth.identify(bearer(mine.access_token))

    assert await auth.revoke_other_sessions(who) == 1
    assert auth.is_live(who)
    assert [session.id for session in auth.sessions()] == [mine.session_id]
    with pytest.raises(NotSignedIn):
        await auth.identify(bearer(other.access_token))


async def test_a_request_costs_no_database_read(auth: Auth, password: str, database: Database) -> None:
    """The database may be gone; who was signed in stays signed in."""
    token = (await _sign_in(auth, password)).access_token
    await asyncio.to_thread(database.close)

    for _ in range(1000):
        await auth.identify(bearer(token))


async def test_sign_ins_are_bounded_and_the_one_used_longest_ago_goes(auth: Auth, password: str) -> None:
    """A script that signs in for every request fills no memory."""
    first = await _sign_in(auth, password)
    sessions = auth._sessions
    password_id = auth._password.id
    for number in range(505):
        await sessions.create(password_id, client=f"c{number}", agent="")

    assert len(auth.sessions()) == 500
    assert not sessions.is_live(first.session_id)


async def test_forged_tokens_open_nothing(auth: Auth, password: str, tmp_path: Path) -> None:
    """Wrong key, no algorithm, another purpose, another session, garbage, and lengths beyond reason."""
    signed_in = await _sign_in(auth, password)
    token = signed_in.access_token
    claims = jwt.decode(token, options={"verify_signature": False})
    key = (tmp_path / "config" / "secrets" / "signing.key").read_text()
    past = utc_now() - timedelta(days=500)
    forged = [
        jwt.encode(claims, "x" * 64, algorithm="HS256"),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode({**claims, "typ": "device"}, key, algorithm="HS256"),
        jwt.encode({**claims, "sid": "0" * 24}, key, algorithm="HS256"),
        jwt.encode({**claims, "jti": "0" * 24}, key, algorithm="HS256"),
        jwt.encode({**claims, "exp": past}, key, algorithm="HS256"),
        jwt.encode({name: claims[name] for name in ("sid", "jti", "typ")}, key, algorithm="HS256"),
        signed_in.device_token,
        token[:-2],
        token + "A" * 10_000,
        "a.b.c",
        "\u00e9.\u00e9.\u00e9",
        "",
    ]

    for value in forged:
        for request in (bearer(value), by_cookie(value)):
            with pytest.raises(NotSignedIn):
                await auth.identify(request)
    assert await auth.identify(bearer(token))


async def test_only_a_sign_in_can_be_ended_or_refreshed(auth: Auth) -> None:
    """The local token lives as long as the process."""
    who = await auth.identify(bearer(auth.local_token()))

    assert (who.kind, who.scope) == ("local", Scope.MANAGE)
    for act in (auth.logout, auth.refresh):
        with pytest.raises(NotASession):
            await act(who)


async def test_the_local_token_ends_with_its_process(open_auth: Start, password: str) -> None:
    """A new start makes a new one."""
    old = watch("local token", (await open_auth(password)).local_token())
    auth = await open_auth(password)

    with pytest.raises(NotSignedIn):
        await auth.identify(bearer(old))
