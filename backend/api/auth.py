"""Sign in and out, sign-ins in force, API keys, and the question that a proxy asks before it lets somebody through."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, SecretStr, StringConstraints

from backend.api.dependencies import Manager, Reader, ServicesDep, require
from backend.api.errors import InvalidRequest
from backend.api.login import read_password
from backend.auth import (
    DEVICE_COOKIE,
    ApiKey,
    Credentials,
    CrossSiteRequest,
    Scope,
    Sender,
    Session,
    cleared_session_cookie,
    device_cookie,
    sender_of,
    session_cookie,
)
from backend.auth.identity import parse_query
from backend.kit.clock import utc_now

router = APIRouter(prefix="/api/auth", tags=["auth"])

_WHEN = "2026-11-24T16:00:00Z"
_ID = "019ab3c1f20e4b7f9d21c3a4"
_LOGIN_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {
                "schema": {
                    "type": "object",
                    "required": ["password"],
                    "properties": {"password": {"type": "string", "format": "password"}},
                },
                "example": {"password": "correct-horse-battery"},
            }
            for kind in ("application/json", "application/x-www-form-urlencoded")
        },
    }
}


class AccessToken(BaseModel):
    """A sign-in; send it as `Authorization: Bearer …`."""

    access_token: str = Field(examples=["eyJhbGciOi…"])
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 -- the kind of token, RFC 6750
    expires_at: datetime = Field(
        description="When it ends if it is not used; every use moves this on", examples=[_WHEN]
    )


class NewPassword(BaseModel):
    """A change of password."""

    current_password: SecretStr | None = Field(None, max_length=1024, examples=["correct-horse-battery"])
    new_password: SecretStr = Field(max_length=1024, examples=["staple-otter-lantern"])


class SessionView(BaseModel):
    """One sign-in."""

    id: str = Field(examples=[_ID])
    client: str = Field(description="Address that signed in", examples=["192.0.2.7"])
    agent: str = Field(description="The browser, as it names itself", examples=["Mozilla/5.0 …"])
    created_at: datetime = Field(examples=[_WHEN])
    last_used_at: datetime = Field(examples=[_WHEN])
    expires_at: datetime = Field(examples=[_WHEN])
    is_current: bool = Field(description="The sign-in that asks")

    @classmethod
    def of(cls, session: Session, current: str | None) -> SessionView:
        """Shape *session*."""
        return cls(
            id=session.id,
            client=session.client,
            agent=session.agent,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
            is_current=session.id == current,
        )


class SessionList(BaseModel):
    """Every sign-in in force, the one used last first."""

    items: list[SessionView]
    total: int


class KeyView(BaseModel):
    """An API key as it may be shown: never the key."""

    id: str = Field(examples=[_ID])
    name: str = Field(examples=["open-webui"])
    scope: Scope = Field(examples=["generate"])
    ends_with: str = Field(description="The last characters, to tell two keys apart", examples=["x7Qd"])
    created_at: datetime = Field(examples=[_WHEN])
    last_used_at: datetime | None = Field(description="To the minute; null: never", examples=[_WHEN])
    cancel_on_disconnect: bool = Field(
        description="Jobs sent through ComfyUI's interface are cancelled when the client's socket closes before they end"
    )

    @classmethod
    def of(cls, key: ApiKey) -> KeyView:
        """Shape *key*."""
        return cls(
            id=key.id,
            name=key.name,
            scope=key.scope,
            ends_with=key.ends_with,
            created_at=key.created_at,
            last_used_at=key.last_used_at,
            cancel_on_disconnect=key.cancel_on_disconnect,
        )


class KeyList(BaseModel):
    """Every API key, the oldest first."""

    items: list[KeyView]
    total: int


class NewKeyRequest(BaseModel):
    """What the key is for and what it may do."""

    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f]*$")
    ]
    scope: Scope = Field(Scope.READ, description="read, generate (and read) or manage (and everything)")
    cancel_on_disconnect: bool = Field(
        default=False,
        description="Cancel jobs sent through ComfyUI's interface when the client's socket closes before they end",
    )


class CreatedKey(KeyView):
    """The new key, shown this once."""

    key: str = Field(examples=["hearth_…"])


class TicketView(BaseModel):
    """Opens one WebSocket within a minute, as `?ticket=…`."""

    ticket: str
    expires_at: datetime = Field(examples=[_WHEN])


@router.post("/login", summary="Sign in", openapi_extra=_LOGIN_BODY)
async def login(request: Request, response: Response, services: ServicesDep) -> AccessToken:
    """Check the password; answer a token and set it as an HttpOnly cookie. JSON and forms are understood."""
    origin = request.headers.get("origin")
    if sender_of(Credentials.from_scope(request.scope)) is Sender.FOREIGN_PAGE and (
        origin is None or origin not in services.settings.cors_origins
    ):
        raise CrossSiteRequest("The browser sent this from a page that is not part of Hearth.")
    sign_in = await services.auth.login(
        await read_password(request),
        client=_client(request),
        agent=request.headers.get("user-agent", ""),
        device=request.cookies.get(DEVICE_COOKIE),
    )
    secure = _is_https(request)
    response.headers.append("set-cookie", session_cookie(sign_in.access_token, secure=secure))
    response.headers.append("set-cookie", device_cookie(sign_in.device_token, secure=secure))
    return AccessToken(access_token=sign_in.access_token, expires_at=sign_in.expires_at)


@router.post("/logout", status_code=204, summary="Sign out")
async def logout(request: Request, services: ServicesDep, who: Reader) -> Response:
    """End this sign-in everywhere its token is known, and clear the cookie."""
    await services.auth.logout(who)
    return Response(status_code=204, headers={"set-cookie": cleared_session_cookie(secure=_is_https(request))})


@router.post("/refresh", summary="Get a new token")
async def refresh(request: Request, response: Response, services: ServicesDep, who: Reader) -> AccessToken:
    """Replace the token of this sign-in; the old one ends."""
    issued = await services.auth.refresh(who)
    response.headers.append("set-cookie", session_cookie(issued.access_token, secure=_is_https(request)))
    return AccessToken(access_token=issued.access_token, expires_at=issued.expires_at)


@router.get("/verify", status_code=204, summary="May this request pass?")
async def verify(
    request: Request,
    services: ServicesDep,
    scope: Annotated[Scope, Query(description="What the request needs")] = Scope.READ,
) -> Response:
    """Answer 204 or 401 for nginx's auth_request; the caller's name stands percent-encoded in X-Hearth-User.

    The proxy describes the request with X-Original-Method, X-Original-URI and Upgrade, so that writes by cookie are held to
    the same origin and a WebSocket may carry its token or ticket in the address.
    """
    identity = await services.auth.identify(_described(request))
    require(identity, scope)
    headers = {"X-Hearth-User": quote(identity.name), "X-Hearth-Scope": identity.scope.value}
    return Response(status_code=204, headers=headers)


@router.post("/password", status_code=204, summary="Change the password")
async def change_password(change: NewPassword, request: Request, services: ServicesDep, who: Manager) -> Response:
    """Put a new password in force; every other sign-in ends, API keys stay."""
    current = change.current_password.get_secret_value() if change.current_password else None
    await services.auth.change_password(
        current, change.new_password.get_secret_value(), who=who, client=_client(request)
    )
    return Response(status_code=204)


@router.get("/sessions", summary="List sign-ins")
async def list_sessions(services: ServicesDep, who: Manager) -> SessionList:
    """Show who is signed in, and from where."""
    items = [SessionView.of(session, who.session_id) for session in services.auth.sessions()]
    return SessionList(items=items, total=len(items))


@router.delete("/sessions/{session_id}", status_code=204, summary="End a sign-in")
async def revoke_session(session_id: str, services: ServicesDep, _who: Manager) -> Response:
    """End one sign-in at once."""
    await services.auth.revoke_session(session_id)
    return Response(status_code=204)


@router.delete("/sessions", status_code=204, summary="End every other sign-in")
async def revoke_other_sessions(services: ServicesDep, who: Manager) -> Response:
    """End all sign-ins except the one that asks."""
    await services.auth.revoke_other_sessions(who)
    return Response(status_code=204)


@router.get("/keys", summary="List API keys")
async def list_keys(services: ServicesDep, _who: Manager) -> KeyList:
    """Show names and scopes; keys themselves are never sent again."""
    items = [KeyView.of(key) for key in services.auth.api_keys()]
    return KeyList(items=items, total=len(items))


@router.post("/keys", status_code=201, summary="Make an API key")
async def create_key(new: NewKeyRequest, services: ServicesDep, _who: Manager) -> CreatedKey:
    """Make a key for a program; it is shown this once."""
    made = await services.auth.create_key(new.name, new.scope, cancel_on_disconnect=new.cancel_on_disconnect)
    return CreatedKey(**KeyView.of(made.stored).model_dump(), key=made.key)


@router.delete("/keys/{key_id}", status_code=204, summary="Revoke an API key")
async def revoke_key(key_id: str, services: ServicesDep, _who: Manager) -> Response:
    """End a key at once."""
    await services.auth.revoke_key(key_id)
    return Response(status_code=204)


@router.post("/ticket", summary="Get a WebSocket ticket")
async def ticket(services: ServicesDep, who: Reader) -> TicketView:
    """Answer a ticket with the caller's rights that opens one WebSocket within a minute."""
    made = services.auth.ticket(who)
    return TicketView(ticket=made.value, expires_at=utc_now() + timedelta(seconds=made.expires_in_s))


def _described(request: Request) -> Credentials:
    """Return the request that a proxy asks about; without its headers, this request itself."""
    seen = Credentials.from_scope(request.scope)
    method = seen.headers.get("x-original-method", seen.method).upper()
    is_websocket = seen.headers.get("upgrade", "").lower() == "websocket"
    try:
        query = urlsplit(seen.headers.get("x-original-uri", "")).query
    except ValueError:
        raise InvalidRequest("X-Original-URI is not an address.") from None
    return Credentials(method, seen.headers, seen.cookies, parse_query(query.encode("latin-1")), is_websocket)


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"
