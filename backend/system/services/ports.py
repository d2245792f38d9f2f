"""What a supervisor can be asked for: s6 in the container, Hearth itself outside of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backend.system.logs import LogSource
from backend.system.services.status import Action, Service


class Supervisor(Protocol):
    """Knows some services."""

    async def services(self) -> Sequence[Service]:
        """Return its services as they are now, without their memory."""
        ...

    async def act(self, name: str, action: Action) -> None:
        """Begin *action*; it goes on after the return.

        Raises:
            ServiceNotSteered: The supervisor does not answer, or refuses.
        """
        ...

    def log(self, name: str) -> LogSource:
        """Return where the lines of a service are."""
        ...
