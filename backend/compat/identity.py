"""Who speaks through a foreign protocol: the rule of every other door, and HTTP Basic, which some programs know alone."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

from starlette.requests import Request

from backend.auth import Credentials, CrossSiteRequest, Identity, Scope, ScopeMissing, Sender, sender_of
from backend.bootstrap import Services
from backend.bootstrap import owner_of as owner_of_identity
from backend.generation import Owner


def services_of(request: Request) -> Services:
    """Return everything that the lifespan opened."""
    return request.state.services


async def admit(request: Request, scope: Scope) -> Identity:
    """Tell who sends *request*, before its body is read.

    Raises:
        NotSignedIn: Nothing valid was sent.
        ScopeMissing: The key may not do this.
        CrossSiteRequest: A browser sent it by itself from somebody else's page.
    """
    credentials = Credentials.from_scope(request.scope)
    key = _basic_key(credentials)
    if key is not None:
        # A browser sends Basic by itself, as it does a cookie, so the same rule holds.
        if credentials.is_write and sender_of(credentials) is Sender.FOREIGN_PAGE:
            raise CrossSiteRequest("The browser sent this from a page that is not part of Hearth.")
        credentials = replace(credentials, headers={**credentials.headers, "authorization": f"Bearer {key}"})
    who = await services_of(request).auth.identify(credentials)
    request.state.identity = who
    if not who.scope.includes(scope):
        raise ScopeMissing(
            f"This needs the scope '{scope}', and {who.name!r} has '{who.scope}'.",
            details={"needs": scope.value, "has": who.scope.value},
        )
    return who


def owner_of(request: Request) -> Owner:
    """Return whose jobs the caller's are."""
    return owner_of_identity(request.state.identity)


def _basic_key(credentials: Credentials) -> str | None:
    """Return the key of ``Authorization: Basic`` (RFC 7617): the password, or the user name where that is empty."""
    scheme, _, value = credentials.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return password or name
