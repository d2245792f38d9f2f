"""The ComfyUI that Hearth runs itself, outside of a container, as a service."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from backend.comfyui import ComfyUIError, ComfyUIProcess, Exit, ProcessState
from backend.kit.clock import utc_now
from backend.logs import get_logger
from backend.system.errors import ServiceNotSteered
from backend.system.logs import LogSource, RingLog
from backend.system.services.status import Action, ExitReason, LastExit, Service, ServiceState, signal_name

log = get_logger(__name__)

_STATES = {
    ProcessState.STOPPED: ServiceState.STOPPED,
    ProcessState.STARTING: ServiceState.STARTING,
    ProcessState.READY: ServiceState.RUNNING,
    ProcessState.STOPPING: ServiceState.STOPPING,
    ProcessState.WAITING: ServiceState.WAITING,
    ProcessState.FAILED: ServiceState.FAILED,
}
_ACTIONS = {
    ServiceState.STOPPED: (Action.START,),
    ServiceState.FAILED: (Action.START,),
    ServiceState.STOPPING: (),
}
NAME = "comfyui"


class ChildSupervisor:
    """Show and steer one :class:`~backend.comfyui.ComfyUIProcess`."""

    def __init__(self, process: ComfyUIProcess) -> None:
        self._process = process
        self._state = process.state
        self._since = utc_now()
        self._errands: set[asyncio.Task[None]] = set()

    async def services(self) -> Sequence[Service]:
        """Return the one service that there is."""
        process = self._process
        if process.state is not self._state:
            self._state, self._since = process.state, utc_now()
        state = _STATES[process.state]
        return [
            Service(
                name=NAME,
                label="ComfyUI",
                port=process.plan.port,
                state=state,
                wanted=state not in (ServiceState.STOPPED, ServiceState.STOPPING, ServiceState.FAILED),
                ready=process.state is ProcessState.READY,
                pid=process.pid,
                since=process.started_at or self._since,
                restarts=process.restarts,
                last_exit=None if process.last_exit is None else _shown(process.last_exit, process.last_exit_at),
                has_log=True,
                actions=_ACTIONS.get(state, (Action.RESTART, Action.STOP)),
                detail="" if process.error is None else process.error.message,
            )
        ]

    async def act(self, name: str, action: Action) -> None:  # noqa: ARG002 -- there is one
        """Begin *action*; stopping takes up to 15 seconds and goes on after the return.

        Raises:
            ServiceNotSteered: It cannot be started.
        """
        if action is Action.START:
            await self._started()
            return
        errand = asyncio.create_task(self._stopped(then_start=action is Action.RESTART), name=f"{action} comfyui")
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)
        await asyncio.sleep(0)  # so that the state tells that it has begun

    def log(self, name: str) -> LogSource:  # noqa: ARG002 -- there is one
        """Return its lines in memory."""
        return RingLog(self._process.log)

    async def _started(self) -> None:
        try:
            await self._process.start()
        except (ComfyUIError, OSError) as error:
            raise ServiceNotSteered(f"ComfyUI cannot be started: {error}") from None

    async def _stopped(self, *, then_start: bool) -> None:
        await self._process.stop()
        if then_start:
            try:
                await self._started()
            except ServiceNotSteered as error:
                log.warning("comfyui_not_started", reason=error.message)


def _shown(last: Exit, at: datetime | None) -> LastExit:
    reason = ExitReason.REBOOT if last.is_reboot else ExitReason.CRASH
    if last.code < 0:
        return LastExit(reason, None, signal_name(-last.code), at)
    return LastExit(reason, last.code, None, at)
