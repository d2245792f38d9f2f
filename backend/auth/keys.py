"""API keys for programs: named, with a scope, shown once and kept as a hash."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from backend.auth.errands import Errands
from backend.auth.errors import KeyNotFound, TooManyKeys
from backend.auth.identity import Identity, Scope
from backend.auth.store import ApiKey, add_key, delete_key, load_keys, touch_key
from backend.database import Database
from backend.kit.clock import utc_now
from backend.kit.ids import new_id

PREFIX = "hearth_"
_RANDOM_BYTES = 32  # 256 bits: a plain SHA-256 of it cannot be searched
_SAVE_EVERY = timedelta(minutes=1)
_MAX_KEYS = 500
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only moment when it can be seen."""

    key: str = field(repr=False)
    stored: ApiKey


@dataclass(slots=True)
class _Live:
    stored: ApiKey
    identity: Identity
    saved_at: datetime


class ApiKeys:
    """Make, recognise and revoke keys; all of them are kept in memory."""

    def __init__(self, database: Database, errands: Errands) -> None:
        self._database = database
        self._errands = errands
        self._by_digest: dict[bytes, _Live] = {}

    async def load(self) -> None:
        """Read the keys."""
        for stored in await self._database.read(load_keys):
            self._by_digest[stored.digest] = _live(stored)

    async def create(self, name: str, scope: Scope, *, cancel_on_disconnect: bool) -> NewKey:
        """Make a key.

        Raises:
            TooManyKeys: There are 500 already.
        """
        if len(self._by_digest) >= _MAX_KEYS:
            raise TooManyKeys(f"There are {_MAX_KEYS} API keys, and no more can be made.")
        key = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        stored = ApiKey(
            id=new_id(),
            name=name,
            scope=scope,
            digest=sha256(key.encode()).digest(),
            ends_with=key[-4:],
            created_at=utc_now(),
            last_used_at=None,
            cancel_on_disconnect=cancel_on_disconnect,
        )
        await self._database.write(lambda connection: add_key(connection, stored))
        self._by_digest[stored.digest] = _live(stored)
        return NewKey(key, stored)

    def find(self, digest: bytes) -> Identity | None:
        """Return who carries the key with this SHA-256."""
        live = self._by_digest.get(digest)
        if live is None:
            return None
        now = utc_now()
        live.stored.last_used_at = now
        if now - live.saved_at >= _SAVE_EVERY:
            live.saved_at = now
            self._errands.start(self._save_use(live.stored.id, now))
        return live.identity

    def all(self) -> list[ApiKey]:
        """List the keys, the oldest first."""
        return [live.stored for live in self._by_digest.values()]

    def is_live(self, key_id: str) -> bool:
        """Tell whether a key has not been revoked."""
        return any(live.stored.id == key_id for live in self._by_digest.values())

    async def revoke(self, key_id: str) -> None:
        """End a key: in memory at once, then on disk.

        Raises:
            KeyNotFound: There is no such key.
        """
        digest = next((digest for digest, live in self._by_digest.items() if live.stored.id == key_id), None)
        if digest is None:
            raise KeyNotFound("There is no such API key.")
        del self._by_digest[digest]
        await self._database.write(lambda connection: delete_key(connection, key_id))

    async def _save_use(self, key_id: str, used_at: datetime) -> None:
        await self._database.write(lambda connection: touch_key(connection, key_id, used_at))


def _live(stored: ApiKey) -> _Live:
    identity = Identity(
        "key", stored.name, stored.scope, key_id=stored.id, cancel_on_disconnect=stored.cancel_on_disconnect
    )
    return _Live(stored, identity, stored.last_used_at or _LONG_AGO)
