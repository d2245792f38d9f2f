"""Sign-ins: a token in the visitor's hands, a row in the database, and both in memory for the hot path.

The row is the truth: a token is valid while its row exists, names it and has not run out. Rows are read once at start and
kept in memory, so that recognising a token costs one hash and one look-up; every change goes to both.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from backend.auth.errands import Errands
from backend.auth.errors import SessionNotFound
from backend.auth.identity import Identity, Scope
from backend.auth.signing import Signer
from backend.auth.store import (
    Session,
    add_session,
    delete_session,
    delete_sessions_but,
    load_sessions,
    save_session,
)
from backend.database import Database
from backend.kit.clock import utc_now
from backend.kit.ids import new_id

OWNER = "owner"
_PURPOSE = "session"
_SAVE_EVERY = timedelta(minutes=1)
_MAX_SESSIONS = 500  # a script that signs in for every request pushes out its own oldest sign-ins
_CLIENT_LENGTH, _AGENT_LENGTH = 64, 200


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """What a visitor gets; ``expires_at`` moves on with every use."""

    access_token: str = field(repr=False)
    expires_at: datetime
    session_id: str


@dataclass(slots=True)
class _Live:
    stored: Session
    identity: Identity
    saved_at: datetime
    digest: bytes = b""


class Sessions:
    """Make, recognise and end sign-ins.

    Args:
        life: How long a sign-in lasts without use.
    """

    def __init__(self, database: Database, signer: Signer, errands: Errands, life: timedelta) -> None:
        self._database = database
        self._signer = signer
        self._errands = errands
        self._life = life
        self._by_id: dict[str, _Live] = {}
        self._by_digest: dict[bytes, _Live] = {}

    async def load(self, password_id: str) -> None:
        """Read the sign-ins made under the password in force; the others end."""
        now = utc_now()
        for stored in await self._database.write(lambda connection: load_sessions(connection, password_id, now)):
            self._by_id[stored.id] = _live(stored)

    async def create(self, password_id: str, *, client: str, agent: str) -> IssuedToken:
        """Begin a sign-in."""
        now = utc_now()
        stored = Session(
            id=new_id(),
            token_id=new_id(),
            password_id=password_id,
            client=client[:_CLIENT_LENGTH],
            agent=agent[:_AGENT_LENGTH],
            created_at=now,
            last_used_at=now,
            expires_at=now + self._life,
        )
        for surplus in self._surplus(now):
            await self.revoke(surplus)
        await self._database.write(lambda connection: add_session(connection, stored))
        live = self._by_id[stored.id] = _live(stored)
        return await self._issue(live)

    def find(self, digest: bytes) -> Identity | None:
        """Return who carries the token with this SHA-256, if it was recognised before; moves the expiry on."""
        live = self._by_digest.get(digest)
        return None if live is None else self._used(live)

    async def recognise(self, token: str, digest: bytes) -> Identity | None:
        """Read a token that is met for the first time since the start."""
        claims = await asyncio.to_thread(self._signer.read, _PURPOSE, token)
        live = None if claims is None else self._by_id.get(claims.get("sid", ""))
        if live is None or claims is None or claims.get("jti") != live.stored.token_id:
            return None
        self._learn(live, digest)
        return self._used(live)

    async def refresh(self, session_id: str) -> IssuedToken:
        """Put a new token in the place of the old one, which ends.

        Raises:
            SessionNotFound: It has ended.
        """
        live = self._live(session_id)
        token_id = new_id()
        expires_at = utc_now() + self._life
        await self._database.write(
            lambda c: save_session(c, session_id, token_id=token_id, expires_at=expires_at.isoformat())
        )
        self._by_digest.pop(live.digest, None)
        live.stored.token_id, live.stored.expires_at = token_id, expires_at
        return await self._issue(live)

    def all(self) -> list[Session]:
        """List the sign-ins in force, the one used last first."""
        now = utc_now()
        found = [live.stored for live in self._by_id.values() if live.stored.expires_at > now]
        return sorted(found, key=lambda stored: stored.last_used_at, reverse=True)

    def is_live(self, session_id: str) -> bool:
        """Tell whether a sign-in is in force."""
        live = self._by_id.get(session_id)
        return live is not None and live.stored.expires_at > utc_now()

    async def revoke(self, session_id: str) -> None:
        """End one sign-in: in memory at once, then on disk.

        Raises:
            SessionNotFound: It has ended already.
        """
        self._forget(self._live(session_id))
        await self._database.write(lambda connection: delete_session(connection, session_id))

    async def revoke_others(self, kept: str | None) -> int:
        """End every sign-in except *kept*; return how many."""
        others = self.forget_others(kept)
        await self._database.write(lambda connection: delete_sessions_but(connection, kept))
        return others

    def forget_others(self, kept: str | None) -> int:
        """End every sign-in except *kept* in memory, for a caller that writes the database itself."""
        others = [live for live in self._by_id.values() if live.stored.id != kept]
        for live in others:
            self._forget(live)
        return len(others)

    def _used(self, live: _Live) -> Identity | None:
        now = utc_now()
        stored = live.stored
        if now >= stored.expires_at:
            self._forget(live)  # its row goes at the next start
            return None
        stored.last_used_at = now
        stored.expires_at = now + self._life
        if now - live.saved_at >= _SAVE_EVERY:
            live.saved_at = now
            self._errands.start(self._save_use(stored))
        return live.identity

    async def _save_use(self, stored: Session) -> None:
        values = {"last_used_at": stored.last_used_at.isoformat(), "expires_at": stored.expires_at.isoformat()}
        await self._database.write(lambda connection: save_session(connection, stored.id, **values))

    async def _issue(self, live: _Live) -> IssuedToken:
        stored = live.stored
        claims = {"sub": OWNER, "sid": stored.id, "jti": stored.token_id}
        token = await asyncio.to_thread(self._signer.sign, _PURPOSE, claims)
        self._learn(live, sha256(token.encode()).digest())
        return IssuedToken(token, stored.expires_at, stored.id)

    def _learn(self, live: _Live, digest: bytes) -> None:
        self._by_digest.pop(live.digest, None)
        live.digest = digest
        self._by_digest[digest] = live

    def _live(self, session_id: str) -> _Live:
        live = self._by_id.get(session_id)
        if live is None:
            raise SessionNotFound("There is no such sign-in, or it has ended.")
        return live

    def _forget(self, live: _Live) -> None:
        self._by_id.pop(live.stored.id, None)
        self._by_digest.pop(live.digest, None)

    def _surplus(self, now: datetime) -> list[str]:
        over = [live.stored.id for live in self._by_id.values() if live.stored.expires_at <= now]
        oldest = [stored.id for stored in self.all()[_MAX_SESSIONS - 1 :]]
        return over + oldest


def _live(stored: Session) -> _Live:
    return _Live(stored, Identity("session", OWNER, Scope.MANAGE, session_id=stored.id), stored.last_used_at)
