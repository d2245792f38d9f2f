"""One password is in force; where it comes from is clear, and it is never kept in clear."""

from __future__ import annotations

import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from backend.auth import Auth, PasswordSetByEnvironment, PasswordTooWeak, WrongPassword
from backend.auth.passwords import Hasher, generate_password, is_weak
from backend.database import Database
from tests.auth.requests import bearer
from tests.secret_watch import secret, watch

pytestmark = pytest.mark.anyio

Start = Callable[..., Awaitable[Auth]]


async def _login(auth: Auth, password: str, client: str = "192.0.2.1") -> str:
    signed_in = await auth.login(password, client=client, agent="test")
    return watch("session token", signed_in.access_token)


async def test_first_start_invents_a_password_shows_it_once_and_keeps_only_its_hash(
    open_auth: Start, announced: list[str], tmp_path: Path
) -> None:
    """The second start shows nothing, and no file holds the password."""
    await open_auth()
    [password] = announced
    watch("generated password", password)
    auth = await open_auth()

    assert await _login(auth, password)
    assert len(announced) == 1
    assert auth.weak_password is False
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or password.encode() not in path.read_bytes()


async def test_the_environment_wins_over_a_stored_password_and_is_not_kept_in_clear(
    open_auth: Start, announced: list[str], tmp_path: Path
) -> None:
    """While ACCESS_PASSWORD is set, only it opens; when it goes, the old one is back."""
    await open_auth()
    [stored] = announced
    given = secret("access password")
    auth = await open_auth(given)

    assert await _login(auth, given)
    with pytest.raises(WrongPassword):
        await _login(auth, stored)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or given.encode() not in path.read_bytes()
    assert await _login(await open_auth(), stored)


async def test_changing_or_removing_the_variable_ends_every_sign_in(open_auth: Start) -> None:
    """A restart with the same value keeps them."""
    first, second = secret("first password"), secret("second password")
    token = await _login(await open_auth(first), first)

    assert await (await open_auth(first)).identify(bearer(token))
    assert [s.id for s in (await open_auth(second)).sessions()] == []
    token = await _login(await open_auth(second), second)
    assert (await open_auth()).sessions() == []
    assert (await open_auth(second)).sessions() == []


async def test_a_known_password_works_but_is_called_weak(open_auth: Start) -> None:
    """The roadmap's default is allowed; the dashboard warns."""
    auth = await open_auth("password")

    assert auth.weak_password is True
    assert await _login(auth, "password")


async def test_a_password_of_the_environment_cannot_be_changed_here(open_auth: Start) -> None:
    """A change would be lost at the next start."""
    given = secret("access password")
    auth = await open_auth(given)
    token = await _login(auth, given)
    who = await auth.identify(bearer(token))

    with pytest.raises(PasswordSetByEnvironment):
        await auth.change_password(given, secret("new password"), who=who, client="192.0.2.1")
    assert auth.password_is_fixed is True


async def test_a_change_ends_the_other_sign_ins_and_survives_a_restart(open_auth: Start, announced: list[str]) -> None:
    """Whoever changed it stays signed in; the old password opens nothing any more."""
    auth = await open_auth()
    old, new = announced[0], secret("new password")
    mine, other = await _login(auth, old), await _login(auth, old)
    who = await auth.identify(bearer(mine))
    with pytest.raises(WrongPassword):
        await auth.change_password("not the old one", new, who=who, client="192.0.2.1")
    await auth.change_password(old, new, who=who, client="192.0.2.1")

    for is_new_start in (False, True):
        door = await open_auth() if is_new_start else auth
        assert (await door.identify(bearer(mine))).session_id == who.session_id
        assert [session.id for session in door.sessions()] == [who.session_id]
        with pytest.raises(Exception, match="not valid"):
            await door.identify(bearer(other))
        with pytest.raises(WrongPassword):
            await _login(door, old)
        assert await _login(door, new, "192.0.2.9")
        await door.revoke_other_sessions(who)


async def test_an_owner_who_forgot_the_password_sets_one_from_the_machine_itself(open_auth: Start) -> None:
    """The local token stands for whoever owns the files."""
    auth = await open_auth()
    who = await auth.identify(bearer(auth.local_token()))
    new = secret("new password")
    await auth.change_password(None, new, who=who, client="127.0.0.1")

    assert await _login(auth, new)


@pytest.mark.parametrize("weak", ["short", "password", "Password123!", "comfyui2024", "12345678", "aaaaaaaaaa"])
async def test_a_weak_choice_is_refused_and_the_old_password_stays(
    open_auth: Start, announced: list[str], weak: str
) -> None:
    """Also when the current password is right."""
    auth = await open_auth()
    who = await auth.identify(bearer(await _login(auth, announced[0])))

    assert is_weak(weak)
    with pytest.raises(PasswordTooWeak):
        await auth.change_password(announced[0], weak, who=who, client="192.0.2.1")
    assert await _login(auth, announced[0])


async def test_accents_match_however_the_keyboard_composes_them() -> None:
    """MacOS sends two code points where Linux sends one."""
    hasher = Hasher()
    stored = await hasher.hash("caf\u00e9 au lait")

    assert await hasher.matches("cafe\u0301 au lait", stored)
    assert not await hasher.matches("cafe au lait", stored)
    assert not await hasher.matches("anything", "not a hash")
    hasher.close()


def test_invented_passwords_differ_and_are_not_weak() -> None:
    """99 bits, in letters that cannot be confused."""
    invented = {generate_password() for _ in range(50)}

    assert len(invented) == 50
    assert not any(is_weak(password) for password in invented)
    assert not set("".join(invented)) & set("ilo01")


async def test_the_signing_key_is_private_and_made_once(
    open_auth: Start, password: str, tmp_path: Path, database: Database
) -> None:
    """Mode 0600 in a folder of 0700; deleting it ends every sign-in, a damaged one is replaced."""
    token = await _login(await open_auth(password), password)
    path = tmp_path / "config" / "secrets" / "signing.key"

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    assert await (await open_auth(password)).identify(bearer(token))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"\xff\xfe")
    auth = await open_auth(password)
    with pytest.raises(Exception, match="not valid"):
        await auth.identify(bearer(token))
    assert await auth.identify(bearer(await _login(auth, password)))
