"""The tables of passwords, sign-ins and API keys, and the few statements on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Row, String, Table, delete, false, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from backend.auth.identity import Scope
from backend.database import metadata
from backend.kit.clock import utc_now

auth_passwords = Table(
    "auth_passwords",
    metadata,
    Column("origin", String, primary_key=True),
    Column("id", String, nullable=False),
    Column("hash", String, nullable=False),
    Column("set_at", String, nullable=False),
)

auth_sessions = Table(
    "auth_sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("token_id", String, nullable=False),
    Column("password_id", String, nullable=False),
    Column("client", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("last_used_at", String, nullable=False),
    Column("expires_at", String, nullable=False),
)

auth_api_keys = Table(
    "auth_api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("digest", String, nullable=False, unique=True),
    Column("ends_with", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("last_used_at", String),
    Column("cancel_on_disconnect", Boolean, nullable=False, server_default=false()),
)


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """A password as it is kept. ``id`` changes with every new one; sign-ins remember under which they were made."""

    id: str
    hash: str


@dataclass(slots=True)
class Session:
    """One sign-in; only the token whose ``jti`` is ``token_id`` is valid."""

    id: str
    token_id: str
    password_id: str
    client: str
    agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


@dataclass(slots=True)
class ApiKey:
    """One API key; ``digest`` is the SHA-256 of the key, which has 256 random bits and so needs no salt."""

    id: str
    name: str
    scope: Scope
    digest: bytes
    ends_with: str
    created_at: datetime
    last_used_at: datetime | None
    cancel_on_disconnect: bool


def read_password(connection: Connection, origin: str) -> StoredPassword | None:
    """Return the password of *origin* (``owner`` or ``environment``)."""
    row = connection.execute(select(auth_passwords).where(auth_passwords.c.origin == origin)).first()
    return None if row is None else StoredPassword(row.id, row.hash)


def save_password(connection: Connection, origin: str, password: StoredPassword, set_at: datetime) -> None:
    """Insert or replace the password of *origin*."""
    values = {"origin": origin, "id": password.id, "hash": password.hash, "set_at": set_at.isoformat()}
    statement = upsert(auth_passwords).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=[auth_passwords.c.origin], set_=values))


def replace_password(connection: Connection, origin: str, password: StoredPassword, kept: str | None) -> None:
    """Put *password* in the place of the old one; every sign-in ends except *kept*, which goes on under the new one."""
    save_password(connection, origin, password, utc_now())
    delete_sessions_but(connection, kept)
    if kept is not None:
        save_session(connection, kept, password_id=password.id)


def delete_password(connection: Connection, origin: str) -> None:
    """Forget the password of *origin*."""
    connection.execute(delete(auth_passwords).where(auth_passwords.c.origin == origin))


def load_sessions(connection: Connection, password_id: str, now: datetime) -> list[Session]:
    """Drop the sign-ins that were made under another password or are over, and return the others."""
    table = auth_sessions
    # ISO 8601 in UTC sorts like the time itself; a whole second, written without a fraction, too: "+" < ".".
    over = table.c.expires_at <= now.isoformat()
    connection.execute(delete(table).where((table.c.password_id != password_id) | over))
    return [_session(row) for row in connection.execute(select(table).order_by(table.c.id))]


def add_session(connection: Connection, session: Session) -> None:
    """Store a new sign-in."""
    connection.execute(insert(auth_sessions).values(_values(session)))


def save_session(connection: Connection, session_id: str, **values: str) -> None:
    """Change columns of one sign-in; a sign-in that has ended is left ended."""
    connection.execute(update(auth_sessions).where(auth_sessions.c.id == session_id).values(values))


def delete_session(connection: Connection, session_id: str) -> None:
    """Drop one sign-in."""
    connection.execute(delete(auth_sessions).where(auth_sessions.c.id == session_id))


def delete_sessions_but(connection: Connection, kept: str | None) -> None:
    """Drop every sign-in except *kept*."""
    connection.execute(delete(auth_sessions).where(auth_sessions.c.id != (kept or "")))


def load_keys(connection: Connection) -> list[ApiKey]:
    """Return every API key, the oldest first."""
    return [
        ApiKey(
            id=row.id,
            name=row.name,
            scope=Scope(row.scope),
            digest=bytes.fromhex(row.digest),
            ends_with=row.ends_with,
            created_at=datetime.fromisoformat(row.created_at),
            last_used_at=datetime.fromisoformat(row.last_used_at) if row.last_used_at else None,
            cancel_on_disconnect=row.cancel_on_disconnect,
        )
        for row in connection.execute(select(auth_api_keys).order_by(auth_api_keys.c.id))
    ]


def add_key(connection: Connection, key: ApiKey) -> None:
    """Store a new API key."""
    values = {
        "id": key.id,
        "name": key.name,
        "scope": key.scope.value,
        "digest": key.digest.hex(),
        "ends_with": key.ends_with,
        "created_at": key.created_at.isoformat(),
        "cancel_on_disconnect": key.cancel_on_disconnect,
    }
    connection.execute(insert(auth_api_keys).values(values))


def touch_key(connection: Connection, key_id: str, used_at: datetime) -> None:
    """Remember when a key was used last."""
    table = auth_api_keys
    connection.execute(update(table).where(table.c.id == key_id).values(last_used_at=used_at.isoformat()))


def delete_key(connection: Connection, key_id: str) -> None:
    """Drop one API key."""
    connection.execute(delete(auth_api_keys).where(auth_api_keys.c.id == key_id))


def _session(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        token_id=row.token_id,
        password_id=row.password_id,
        client=row.client,
        agent=row.agent,
        created_at=datetime.fromisoformat(row.created_at),
        last_used_at=datetime.fromisoformat(row.last_used_at),
        expires_at=datetime.fromisoformat(row.expires_at),
    )


def _values(session: Session) -> dict[str, str]:
    return {
        "id": session.id,
        "token_id": session.token_id,
        "password_id": session.password_id,
        "client": session.client,
        "agent": session.agent,
        "created_at": session.created_at.isoformat(),
        "last_used_at": session.last_used_at.isoformat(),
        "expires_at": session.expires_at.isoformat(),
    }
