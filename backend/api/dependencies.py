"""What an endpoint may ask for: the services, and a caller with enough rights.

The guard has identified the caller before the body was read (``backend.api.guard``); here only the scope is checked, so
each of these costs a dictionary look-up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from backend.auth import Identity, Scope, ScopeMissing
from backend.bootstrap import Services


async def _services(request: Request) -> Services:
    return request.state.services


def _at_least(scope: Scope) -> Callable[[Request], Awaitable[Identity]]:
    async def check(request: Request) -> Identity:
        identity: Identity = request.state.identity
        require(identity, scope)
        return identity

    return check


def require(identity: Identity, scope: Scope) -> None:
    """Let *identity* pass when its scope is enough.

    Raises:
        ScopeMissing: It is not.
    """
    if not identity.scope.includes(scope):
        raise ScopeMissing(
            f"This needs the scope '{scope}', and {identity.name!r} has '{identity.scope}'.",
            details={"needs": scope.value, "has": identity.scope.value},
        )


ServicesDep = Annotated[Services, Depends(_services)]
Reader = Annotated[Identity, Depends(_at_least(Scope.READ))]
Generator = Annotated[Identity, Depends(_at_least(Scope.GENERATE))]
Manager = Annotated[Identity, Depends(_at_least(Scope.MANAGE))]
