"""Join what is known about the start: the container's notes, Hearth's own, ComfyUI's supervisor, log and port."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from backend.comfyui import ComfyUIError
from backend.config import Settings
from backend.events import Hub
from backend.generation import GenerationService
from backend.generation.backends import Backend
from backend.system import (
    BootLog,
    ChildSupervisor,
    ComfyUIStart,
    ComfyUIWatch,
    Entry,
    OwnProcess,
    Part,
    Phase,
    S6Supervisor,
    Service,
    ServiceDesk,
    ServiceState,
    StartupRecorder,
    Supervisor,
    UnknownService,
    comfyui_phases,
    container_phases,
    copy_progress,
    read_boot,
    total_ms,
    volume_report,
)

COMFYUI = "comfyui"
_BOOT_LINES = 4_000  # a start with fifty node packs, a dozen of which fail, writes some 600
_FAILING = 3  # ends in a row, after which "starting" would be a lie
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_SERVICES = "services"
_SIDE_BY_SIDE = timedelta(seconds=5)
_SAME_START = timedelta(seconds=60)


class ComfyUIState(StrEnum):
    """How far the local ComfyUI is."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StartupReport:
    """The newest start as a whole; ``boot`` and ``log`` are ComfyUI's.

    ``copied`` is how much of ComfyUI has been copied to the volume, 0 to 1, while it is. ``is_restart`` when ComfyUI alone was started again since; ``total_ms`` is then its time alone.
    """

    state: ComfyUIState
    message: str
    phases: tuple[Phase, ...]
    total_ms: int | None
    is_restart: bool
    service: Service | None
    boot: BootLog
    log: tuple[Entry, ...]
    volume: Mapping[str, Any]
    copied: float | None = None

    @property
    def is_safe_mode(self) -> bool:
        """Whether ComfyUI was started without custom nodes."""
        return bool(self.volume.get("safe_mode"))

    def after_ms(self, phase: Phase) -> int:
        """Return the time from the first moment of the start that *phase* belongs to."""
        is_apart = self.is_restart and phase.part is Part.COMFYUI
        first = min(each.started_at for each in self.phases if not is_apart or each.part is Part.COMFYUI)
        return round((phase.started_at - first).total_seconds() * 1000)


def make_desk(settings: Settings, generation: GenerationService, hub: Hub) -> ServiceDesk:
    """Find out who supervises what here; blocking for an instant."""
    scan_dir = settings.hearth_run_dir / _SERVICES
    supervisors: list[Supervisor] = []
    if scan_dir.is_dir():
        supervisors.append(S6Supervisor(scan_dir, settings.workspace / "logs", settings.hearth_run_dir / "attempts"))
    else:
        children = [backend.process for backend in _backends(generation) if backend.process is not None]
        supervisors += [*map(ChildSupervisor, children), OwnProcess(settings.port)]
    return ServiceDesk(supervisors, hub)


class Startup:
    """Tell how the start goes; watches the local ComfyUI as long as :meth:`run` runs."""

    def __init__(
        self,
        recorder: StartupRecorder,
        run_dir: Path,
        workspace: Path,
        desk: ServiceDesk,
        generation: GenerationService,
    ) -> None:
        self._recorder = recorder
        self._run_dir = run_dir
        self._desk = desk
        self._backend = _local(generation)
        self._watch = ComfyUIWatch(self._answers, self._is_ready, self._hurry)
        self._pip = _pip_of(self._backend, workspace)
        self._known: tuple[ComfyUIStart, BootLog] | None = None

    async def run(self) -> None:
        """Watch for ever. Cancelled: nothing is left behind."""
        if self._backend is not None:
            await self._watch.run()

    async def report(self, *, log_lines: int = 0) -> StartupReport:
        """Return everything that is known.

        Args:
            log_lines: So many of ComfyUI's last lines are added.
        """
        service = await self._service()
        entries = await self._entries(max(log_lines, 1 if service is None else 0), service)
        process_at = _process_at(service)
        start = self._watch.start_since(process_at)
        boot = await self._boot(service, start)
        if boot.restarted_at is not None and process_at is not None and boot.restarted_at > process_at:
            start = self._watch.start_since(boot.restarted_at)
        own = self._recorder.phases
        container = await asyncio.to_thread(container_phases, self._run_dir)
        before = [*(container if _follows(container, own) else ()), *own]
        comfyui = comfyui_phases(_seen_from(start, boot, own), boot)
        is_restart = _is_restart(before, comfyui)
        state = self._state(service, start)
        return StartupReport(
            state=state,
            message=_message(state, service),
            phases=(*before, *comfyui),
            total_ms=total_ms(comfyui if is_restart else (*before, *comfyui)),
            is_restart=is_restart,
            service=service,
            boot=boot,
            log=tuple(entries),
            volume=await asyncio.to_thread(volume_report, self._run_dir),
            copied=await asyncio.to_thread(copy_progress, self._run_dir),
        )

    async def _service(self) -> Service | None:
        with suppress(UnknownService):
            service = await self._desk.get(COMFYUI)
            return None if service.state is ServiceState.OFF else service
        return None

    async def _entries(self, count: int, service: Service | None) -> list[Entry]:
        if service is None or not count:
            return []
        source = await self._desk.log(COMFYUI)
        return await asyncio.to_thread(source.tail, count)

    async def _boot(self, service: Service | None, start: ComfyUIStart) -> BootLog:
        """Read the boot log; what is complete is not read again until ComfyUI is started again."""
        if self._known is not None and self._known[0] == start and self._known[1].is_complete:
            return self._known[1]
        entries = await self._entries(_BOOT_LINES, service)
        boot = await asyncio.to_thread(read_boot, entries, begun_at=start.process_at, pip=self._pip)
        if start.ready_at is not None:
            self._known = (start, boot)
        return boot

    def _state(self, service: Service | None, start: ComfyUIStart) -> ComfyUIState:
        if start.ready_at is not None:
            return ComfyUIState.READY
        if service is None:
            return ComfyUIState.NONE if self._backend is None else ComfyUIState.STARTING
        if service.state in (ServiceState.STOPPED, ServiceState.STOPPING):
            return ComfyUIState.STOPPED
        is_failing = service.state is ServiceState.WAITING and service.restarts >= _FAILING
        return ComfyUIState.FAILED if is_failing or service.state is ServiceState.FAILED else ComfyUIState.STARTING

    def _is_ready(self) -> bool:
        return self._backend is not None and self._backend.is_up

    def _hurry(self) -> None:
        if self._backend is not None:
            self._backend.look()

    async def _answers(self) -> bool:
        if self._backend is None:
            return False
        try:
            await self._backend.client.queue_remaining()
        except ComfyUIError:
            return False
        return True


def _process_at(service: Service | None) -> datetime | None:
    return service.since if service is not None and service.pid is not None else None


def _follows(container: Sequence[Phase], own: Sequence[Phase]) -> bool:
    """Tell whether Hearth was started by this start of the container, and not again since."""
    ends = [phase.ended_at or phase.started_at for phase in container]
    return bool(ends and own) and own[0].started_at - max(ends) < _SAME_START


def _seen_from(start: ComfyUIStart, boot: BootLog, own: Sequence[Phase]) -> ComfyUIStart:
    """Take the word of its log for a ComfyUI that was started before this Hearth, which saw only that it answers."""
    served = next((step.at for step in reversed(boot.steps) if step.name == "server"), None)
    if start.ready_at is None or served is None or not own or served > own[0].started_at:
        return start
    return ComfyUIStart(start.process_at, served, served)


def _is_restart(before: Sequence[Phase], comfyui: Sequence[Phase]) -> bool:
    """Tell whether ComfyUI and Hearth were started apart; at first they start side by side."""
    ends = [phase.ended_at for phase in before if phase.ended_at is not None]
    if not ends or not comfyui:
        return False
    last = comfyui[-1].ended_at
    is_later = comfyui[0].started_at - max(ends) > _SIDE_BY_SIDE
    return is_later or (last is not None and before[0].started_at - last > _SIDE_BY_SIDE)


def _pip_of(backend: Backend | None, workspace: Path) -> str:
    if backend is None or backend.process is None:
        return str(workspace / "venv" / "bin" / "pip")
    return f"{backend.process.plan.installation.python} -m pip"


def _message(state: ComfyUIState, service: Service | None) -> str:
    detail = "" if service is None or not service.detail else f" {service.detail}."
    return {
        ComfyUIState.STARTING: "ComfyUI is starting.",
        ComfyUIState.READY: "ComfyUI is ready.",
        ComfyUIState.FAILED: f"ComfyUI does not start.{detail}",
        ComfyUIState.STOPPED: "ComfyUI is stopped.",
        ComfyUIState.NONE: "No ComfyUI runs on this machine.",
    }[state]


def _backends(generation: GenerationService) -> list[Backend]:
    return [generation.backend(shown.id) for shown in generation.backends()]


def _local(generation: GenerationService) -> Backend | None:
    """Return the ComfyUI of this machine: the one that Hearth runs, else the first on the loopback interface."""
    backends = _backends(generation)
    children = [backend for backend in backends if backend.process is not None]
    near = [backend for backend in backends if urlsplit(backend.client.url).hostname in _LOOPBACK]
    return next(iter((*children, *near)), None)
