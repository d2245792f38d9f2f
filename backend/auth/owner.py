"""The one password of this Hearth and where it comes from.

ACCESS_PASSWORD wins while it is set; only its hash is kept, to notice at the next start that it was changed. Otherwise
the password that the owner chose counts, and at first start one is invented and shown once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from backend.auth.errors import PasswordSetByEnvironment, PasswordTooWeak
from backend.auth.passwords import MAX_LENGTH, MIN_LENGTH, Hasher, generate_password, is_weak
from backend.auth.store import StoredPassword, delete_password, read_password, save_password
from backend.database import Database
from backend.kit.clock import utc_now
from backend.kit.ids import new_id
from backend.kit.redact import register_secret
from backend.logs import get_logger

log = get_logger(__name__)

ENVIRONMENT = "environment"
OWNER = "owner"


class OwnerPassword:
    """Hold the hash of the password in force. ``id`` names it: it changes whenever the password does."""

    def __init__(self, hasher: Hasher, stored: StoredPassword, *, is_weak: bool, is_from_environment: bool) -> None:
        self._hasher = hasher
        self._stored = stored
        self.is_weak = is_weak
        self.is_from_environment = is_from_environment

    @classmethod
    async def open(
        cls, database: Database, hasher: Hasher, given: str | None, announce: Callable[[str], None]
    ) -> OwnerPassword:
        """Find the password in force, or make one.

        Args:
            given: ACCESS_PASSWORD.
            announce: Shows an invented password to the owner; called before it is stored, so that no crash can leave
                a password that nobody has seen.
        """
        if given is not None:
            stored = await _of_environment(database, hasher, given)
            if is_weak(given):
                log.warning("weak_password", reason="ACCESS_PASSWORD is easy to guess.", hint="Set a longer one.")
            else:
                register_secret(given)  # masking a weak one would eat ordinary words, and so give it away
            return cls(hasher, stored, is_weak=is_weak(given), is_from_environment=True)
        await database.write(lambda connection: delete_password(connection, ENVIRONMENT))
        stored = await database.read(lambda connection: read_password(connection, OWNER))
        if stored is None:
            stored = await _invented(database, hasher, announce)
        return cls(hasher, stored, is_weak=False, is_from_environment=False)

    @property
    def id(self) -> str:
        """The name of the password in force."""
        return self._stored.id

    async def matches(self, password: str) -> bool:
        """Compare in constant time."""
        return await self._hasher.matches(password, self._stored.hash)

    async def hash_new(self, password: str) -> StoredPassword:
        """Judge and hash a password that the owner chose; it is in force after :meth:`use`.

        Raises:
            PasswordSetByEnvironment: It cannot be changed here.
            PasswordTooWeak: Another one must be chosen.
        """
        if self.is_from_environment:
            raise PasswordSetByEnvironment("The password is set by the environment variable ACCESS_PASSWORD.")
        if len(password) > MAX_LENGTH:
            raise PasswordTooWeak(f"The password is longer than {MAX_LENGTH} characters.", hint="Use a shorter one.")
        if is_weak(password):
            raise PasswordTooWeak(f"The password is shorter than {MIN_LENGTH} characters or easy to guess.")
        return StoredPassword(new_id(), await self._hasher.hash(password))

    def use(self, stored: StoredPassword) -> None:
        """Put a password in force that has been stored."""
        self._stored = stored


async def _of_environment(database: Database, hasher: Hasher, given: str) -> StoredPassword:
    known = await database.read(lambda connection: read_password(connection, ENVIRONMENT))
    if known is not None and await hasher.matches(given, known.hash):
        return known
    return await _store(database, ENVIRONMENT, await hasher.hash(given))


async def _invented(database: Database, hasher: Hasher, announce: Callable[[str], None]) -> StoredPassword:
    password = generate_password()
    register_secret(password)
    hashed = await hasher.hash(password)
    await asyncio.to_thread(announce, password)
    return await _store(database, OWNER, hashed)


async def _store(database: Database, origin: str, hashed: str) -> StoredPassword:
    stored = StoredPassword(new_id(), hashed)
    await database.write(lambda connection: save_password(connection, origin, stored, utc_now()))
    return stored
