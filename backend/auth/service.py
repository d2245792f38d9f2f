"""The door: who may come in, and how somebody shows that they may."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from backend.auth.errands import Errands
from backend.auth.errors import CrossSiteRequest, NotASession, NotSignedIn, TooManyAttempts, WrongPassword
from backend.auth.identity import Credentials, Identity, Scope
from backend.auth.keys import ApiKeys, NewKey
from backend.auth.origin import Sender, sender_of
from backend.auth.owner import OWNER, OwnerPassword
from backend.auth.passwords import Hasher
from backend.auth.sessions import IssuedToken, Sessions
from backend.auth.signing import Signer
from backend.auth.store import ApiKey, Session, replace_password
from backend.auth.throttle import LoginThrottle, throttle_key
from backend.auth.tickets import Ticket, Tickets
from backend.database import Database
from backend.kit.clock import monotonic_s
from backend.kit.ids import new_id
from backend.kit.redact import register_secret
from backend.logs import get_logger

log = get_logger(__name__)

_DEVICE = "device"
_MAX_WAITING = 64  # sign-ins that wait for their turn; 26 ms each
_LOCAL = Identity("local", "command line", Scope.MANAGE)


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the right password earns: a token, and a mark for this browser that the throttle knows."""

    access_token: str = field(repr=False)
    expires_at: datetime
    session_id: str
    device_token: str = field(repr=False)


class Auth:
    """Sign people and programs in, and tell who sends a request; made by :meth:`open`."""

    def __init__(
        self,
        database: Database,
        signer: Signer,
        hasher: Hasher,
        password: OwnerPassword,
        session_hours: int,
        now_s: Callable[[], float],
    ) -> None:
        self._database = database
        self._signer = signer
        self._hasher = hasher
        self._password = password
        self._errands = Errands()
        self._sessions = Sessions(database, signer, self._errands, timedelta(hours=session_hours))
        self._keys = ApiKeys(database, self._errands)
        self._tickets = Tickets(now_s)
        self._throttle = LoginThrottle(now_s)
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._local = secrets.token_urlsafe(32)
        self._local_digest = sha256(self._local.encode()).digest()
        register_secret(self._local)

    @classmethod
    async def open(
        cls,
        database: Database,
        config_dir: Path,
        *,
        access_password: str | None,
        session_hours: int,
        announce: Callable[[str], None],
        now_s: Callable[[], float] = monotonic_s,
    ) -> Auth:
        """Read key, password, sign-ins and API keys; at first start a password is invented and announced.

        Args:
            access_password: ACCESS_PASSWORD; wins over the stored one, and changing it ends every sign-in.
            session_hours: How long a sign-in lasts without use.
            announce: Shows the invented password to the owner; may block.
            now_s: The clock of waiting times.
        """
        signer = await asyncio.to_thread(Signer.open, config_dir / "secrets")
        hasher = Hasher()
        password = await OwnerPassword.open(database, hasher, access_password, announce)
        auth = cls(database, signer, hasher, password, session_hours, now_s)
        await auth._sessions.load(password.id)
        await auth._keys.load()
        return auth

    @property
    def weak_password(self) -> bool:
        """Tell whether ACCESS_PASSWORD is among the first that anybody would guess."""
        return self._password.is_weak

    @property
    def password_is_fixed(self) -> bool:
        """Tell whether the environment holds the password, so that it cannot be changed here."""
        return self._password.is_from_environment

    def local_token(self) -> str:
        """Return the token for commands on this machine; it is valid until this process ends."""
        return self._local

    async def close(self) -> None:
        """Finish the small writes that run and let the hashing thread end."""
        await self._errands.close()
        self._hasher.close()

    # Signing in and out

    async def login(self, password: str, *, client: str, agent: str, device: str | None = None) -> SignIn:
        """Check the password and begin a sign-in.

        Args:
            client: The visitor's address.
            agent: The visitor's User-Agent, shown in the list of sign-ins.
            device: The device cookie of an earlier sign-in.
        Raises:
            WrongPassword: It does not match.
            TooManyAttempts: This client, or everybody together, has to wait.
        """
        known = await self._device(device)
        async with self._in_turn():
            await self._check_password(password, client=client, known=known)
            issued = await self._sessions.create(self._password.id, client=client, agent=agent)
        mark = await asyncio.to_thread(self._signer.sign, _DEVICE, {"did": known or new_id()})
        log.info("signed_in", client=client, session=issued.session_id)
        return SignIn(issued.access_token, issued.expires_at, issued.session_id, mark)

    async def logout(self, who: Identity) -> None:
        """End the sign-in of *who*.

        Raises:
            NotASession: It is no sign-in.
        """
        await self._sessions.revoke(_session_id(who))

    async def refresh(self, who: Identity) -> IssuedToken:
        """Give *who* a new token; the old one ends.

        Raises:
            NotASession: It is no sign-in.
        """
        return await self._sessions.refresh(_session_id(who))

    async def change_password(self, current: str | None, new: str, *, who: Identity, client: str) -> None:
        """Put a new password in force; every sign-in but that of *who* ends, API keys stay.

        Args:
            current: Not needed by commands on this machine: whoever can run them owns the database anyway.
        Raises:
            PasswordSetByEnvironment: ACCESS_PASSWORD holds it.
            PasswordTooWeak: The new one cannot be used.
            WrongPassword: The current one does not match.
            TooManyAttempts: It was guessed too often.
        """
        stored = await self._password.hash_new(new)
        async with self._in_turn():
            if who.kind != "local":
                await self._check_password(current or "", client=client, known=who.session_id)
            self._sessions.forget_others(who.session_id)
            await self._database.write(lambda connection: replace_password(connection, OWNER, stored, who.session_id))
            self._password.use(stored)
        log.info("password_changed", client=client)

    def sessions(self) -> list[Session]:
        """List the sign-ins in force, the one used last first."""
        return self._sessions.all()

    async def revoke_session(self, session_id: str) -> None:
        """End one sign-in.

        Raises:
            SessionNotFound: It has ended.
        """
        await self._sessions.revoke(session_id)

    async def revoke_other_sessions(self, who: Identity) -> int:
        """End every sign-in but that of *who*; return how many."""
        return await self._sessions.revoke_others(who.session_id)

    # Programs

    async def create_key(self, name: str, scope: Scope, *, cancel_on_disconnect: bool = False) -> NewKey:
        """Make an API key; it can be read this once.

        Args:
            cancel_on_disconnect: What a client of ComfyUI's interface has not received yet is cancelled when its socket closes.
        Raises:
            TooManyKeys: The list is full.
        """
        return await self._keys.create(name, scope, cancel_on_disconnect=cancel_on_disconnect)

    def api_keys(self) -> list[ApiKey]:
        """List the API keys, the oldest first."""
        return self._keys.all()

    async def revoke_key(self, key_id: str) -> None:
        """End an API key.

        Raises:
            KeyNotFound: There is no such key.
        """
        await self._keys.revoke(key_id)

    def ticket(self, who: Identity) -> Ticket:
        """Make a ticket that opens one WebSocket within a minute, with the rights of *who*."""
        return self._tickets.issue(who)

    # Every request

    async def identify(self, request: Credentials) -> Identity:
        """Tell who sends *request*; costs no database read.

        What a program sent on purpose counts before the cookie that a browser attaches by itself; a cookie is only good
        for reading, or for requests of Hearth's own pages.

        Raises:
            NotSignedIn: Nothing valid was sent.
            CrossSiteRequest: The cookie came with a write or a WebSocket of somebody else's page.
        """
        token = request.sent_token()
        if token is not None:
            return await self._holder(token)
        ticket = request.ticket()
        if ticket is not None:
            return self._redeemed(ticket)
        token = request.cookie_token()
        if token is None:
            raise NotSignedIn("Sign in first.")
        identity = await self._holder(token)
        if (request.is_write or request.is_websocket) and sender_of(request) is not Sender.OWN_PAGE:
            raise CrossSiteRequest("The browser sent this from a page that is not part of Hearth.")
        return identity

    def is_live(self, identity: Identity) -> bool:
        """Tell whether *identity* would still be let in; for connections that stay open."""
        if identity.session_id is not None:
            return self._sessions.is_live(identity.session_id)
        return identity.key_id is None or self._keys.is_live(identity.key_id)

    async def _holder(self, token: str) -> Identity:
        digest = sha256(token.encode()).digest()
        identity = self._sessions.find(digest) or self._keys.find(digest)
        if identity is None and secrets.compare_digest(digest, self._local_digest):
            identity = _LOCAL
        if identity is None and token.count(".") == 2:
            identity = await self._sessions.recognise(token, digest)
        if identity is None:
            raise NotSignedIn("The sign-in or key is not valid: it has ended, was revoked, or never was.")
        return identity

    def _redeemed(self, ticket: str) -> Identity:
        identity = self._tickets.redeem(ticket)
        if identity is None or not self.is_live(identity):
            raise NotSignedIn("The ticket is not valid: it was used, or is older than a minute.")
        return identity

    async def _device(self, cookie: str | None) -> str | None:
        claims = await asyncio.to_thread(self._signer.read, _DEVICE, cookie) if cookie else None
        return None if claims is None else claims.get("did")

    @asynccontextmanager
    async def _in_turn(self) -> AsyncGenerator[None]:
        """Let one attempt through at a time: parallel guesses count like guesses in a row."""
        if self._waiting >= _MAX_WAITING:
            raise TooManyAttempts("Many sign-ins wait already: try again in 2 s.", details={"retry_after_s": 2})
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    async def _check_password(self, password: str, *, client: str, known: str | None) -> None:
        key = f"known:{known}" if known else throttle_key(client)
        self._throttle.admit(key, is_known=known is not None)
        if not await self._password.matches(password):
            self._throttle.failed(key)
            log.warning("wrong_password", client=client)
            raise WrongPassword("The password is wrong.")
        self._throttle.succeeded(key)


def _session_id(who: Identity) -> str:
    if who.session_id is None or who.kind != "session":
        raise NotASession("This is an API key or a local command, not a sign-in.")
    return who.session_id
