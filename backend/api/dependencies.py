"""What an endpoint may ask for: the services, and a caller with enough rights.

The guard has identified the caller before the body was read (``backend.api.guard``); here only the scope is checked, so
each of these costs a dictionary look-up.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from backend.auth import Identity, Scope, ScopeMissing
from backend.bootstrap import Services


async def _services(request: Request) -> Services:
    return request.state.services


class AtLeast:
    """Ask for a scope; the documentation reads it from here."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Identity:
        """Return the caller.

        Raises:
            ScopeMissing: It may not do this.
        """
        identity: Identity = request.state.identity
        require(identity, self.scope)
        return identity


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
Reader = Annotated[Identity, Depends(AtLeast(Scope.READ))]
Generator = Annotated[Identity, Depends(AtLeast(Scope.GENERATE))]
Manager = Annotated[Identity, Depends(AtLeast(Scope.MANAGE))]
