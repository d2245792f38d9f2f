"""Every service in one list, whoever supervises it, and the news about them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

from backend.events import Event, Hub
from backend.events.types import SERVICE_CHANGED, SYSTEM
from backend.logs import get_logger
from backend.system.errors import IllegalServiceAction, UnknownService
from backend.system.logs import LogSource
from backend.system.process import memory_of
from backend.system.services.ports import Supervisor
from backend.system.services.status import Action, Service, ServiceState

log = get_logger(__name__)

_EVERY_S = 1.0


class ServiceDesk:
    """Ask and steer the services of several supervisors; of two that know a name the first counts."""

    def __init__(self, supervisors: Sequence[Supervisor], hub: Hub) -> None:
        self._supervisors = tuple(supervisors)
        self._hub = hub
        self._told: dict[str, Service] = {}

    async def list(self) -> list[Service]:
        """Return every service with its memory, those that are not part of this installation last."""
        found = (await self._found()).values()
        pids = [service.pid for service in found]
        memory = await asyncio.to_thread(lambda: [None if pid is None else memory_of(pid) for pid in pids])
        shown = [dataclasses.replace(each, memory_bytes=size) for each, size in zip(found, memory, strict=True)]
        return sorted(shown, key=lambda service: service.state is ServiceState.OFF)

    async def get(self, name: str) -> Service:
        """Return one service.

        Raises:
            UnknownService: There is none of this name.
        """
        for service in await self.list():
            if service.name == name:
                return service
        raise _unknown(name)

    async def act(self, name: str, action: Action) -> Service:
        """Begin *action* and return how the service is right afterwards; stopping may go on for a while.

        Raises:
            UnknownService: There is none of this name.
            IllegalServiceAction: It cannot be asked for that now.
            ServiceNotSteered: Its supervisor refuses.
        """
        supervisor, service = await self._place(name)
        if action not in service.actions:
            raise _illegal(service, action)
        await supervisor.act(name, action)
        log.info("service_asked", service=name, action=action.value)
        after = await self.get(name)
        self._tell(after)
        return after

    async def log(self, name: str) -> LogSource:
        """Return where the lines of a service are.

        Raises:
            UnknownService: There is none of this name.
        """
        supervisor, _ = await self._place(name)
        return supervisor.log(name)

    async def report(self, *, every_s: float = _EVERY_S) -> None:
        """Publish services that changed, for ever, as long as somebody listens.

        Cancelled: nothing is left behind.
        """
        while True:
            if not self._hub.has_listeners(SYSTEM):
                await self._hub.listened(SYSTEM)
                self._told = await self._found()
            for service in (await self._found()).values():
                if _essence(service) != _essence(self._told.get(service.name)):
                    self._tell(service)
            await asyncio.sleep(every_s)

    async def _found(self) -> dict[str, Service]:
        found: dict[str, Service] = {}
        for supervisor in self._supervisors:
            for service in await supervisor.services():
                found.setdefault(service.name, service)
        return found

    async def _place(self, name: str) -> tuple[Supervisor, Service]:
        for supervisor in self._supervisors:
            for service in await supervisor.services():
                if service.name == name:
                    return supervisor, service
        raise _unknown(name)

    def _tell(self, service: Service) -> None:
        self._told[service.name] = service
        self._hub.publish(Event(SYSTEM, SERVICE_CHANGED, service.name, service.as_dict()))


def _essence(service: Service | None) -> tuple[object, ...] | None:
    if service is None:
        return None
    return service.state, service.pid, service.restarts, service.wanted, service.actions, service.detail


def _unknown(name: str) -> UnknownService:
    return UnknownService(f"There is no service {name[:80]!r}.")


def _illegal(service: Service, action: Action) -> IllegalServiceAction:
    if service.state is ServiceState.OFF:
        return IllegalServiceAction(f"{service.label} is not part of this installation.", hint=service.detail)
    if action is Action.STOP and Action.RESTART in service.actions:
        reason, hint = "without it this page could not be reached", "Restart it instead, or stop the container."
        return IllegalServiceAction(f"{service.label} is not stopped from here: {reason}.", hint=hint)
    if not service.actions:
        return IllegalServiceAction(f"{service.label} cannot be asked for anything now.", hint=service.detail)
    return IllegalServiceAction(f"{service.label} is {service.state.value}, so it cannot {action.value}.")
