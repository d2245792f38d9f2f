"""Hearth itself, where no supervisor keeps it: shown, but started and stopped by whoever started it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from backend.errors import JSON
from backend.system.errors import ServiceNotSteered
from backend.system.logs import LogSource, NoLog
from backend.system.process import started_at
from backend.system.services.status import Action, Service, ServiceState

_DETAIL = "Runs where it was started; its log is there too"


class OwnProcess:
    """Show this process."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def services(self) -> Sequence[Service]:
        """Return this process."""
        began = await asyncio.to_thread(started_at)
        return [
            Service(
                name="hearth",
                label="Dashboard",
                port=self._port,
                state=ServiceState.RUNNING,
                wanted=True,
                ready=True,
                pid=os.getpid(),
                since=began,
                detail=_DETAIL,
            )
        ]

    async def act(self, name: str, action: Action) -> None:
        """Refuse.

        Raises:
            ServiceNotSteered: Always.
        """
        details: dict[str, JSON] = {"service": name, "action": action.value}
        raise ServiceNotSteered("Nothing supervises this Hearth, so it cannot start itself again.", details=details)

    def log(self, name: str) -> LogSource:  # noqa: ARG002 -- there is one
        """Return nothing: the lines go where Hearth was started."""
        return NoLog()
