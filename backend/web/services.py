"""Services as a page: what runs, starting and stopping it, and its log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from backend.auth import Identity
from backend.bootstrap import Services, owner_of
from backend.generation import State
from backend.system import Action, Entry, IllegalServiceAction, Level, Service, ServiceState, at_least
from backend.web.answers import CLOSE_DIALOG, SERVICES_CHANGED, Toast, done
from backend.web.identity import Keeper, ServicesDep, Visitor
from backend.web.rendering import is_for, render
from backend.web.service_contexts import LogFilter, ServiceActDialog, ServiceActPage, ServiceList, ServicesPage

router = APIRouter(prefix="/services", include_in_schema=False)

_LINES, _LINES_SEARCHED = 300, 5_000
_DONE = {Action.START: "is starting", Action.STOP: "is stopping", Action.RESTART: "is restarting"}


@router.get("")
async def show_services(request: Request, services: ServicesDep, who: Visitor) -> Response:
    """Show every service, and the log of one."""
    found, report = await asyncio.gather(services.processes.list(), services.startup.report())
    details = {
        service.name: _detail(service, services, report.boot.version, is_safe=report.is_safe_mode) for service in found
    }
    shown = ServiceList(found, details, report.boot, report.total_ms)
    if is_for(request, "services"):
        return await render(request, services, who, shown)
    sources = [service for service in found if service.has_log]
    log = _wanted_log(request, sources)
    entries = await _entries(services, log)
    page = ServicesPage(found, details, report.boot, report.total_ms, sources=sources, log=log, entries=entries)
    return await render(request, services, who, page)


@router.get("/{name}/{action}")
async def plan(request: Request, services: ServicesDep, who: Visitor, name: str, action: Action) -> Response:
    """Say what stopping or restarting a service means."""
    service = await services.processes.get(name)
    if action not in service.actions:
        raise IllegalServiceAction(f"{service.label} cannot {action.value} now.", hint="Look at its state again.")
    running, waiting = _jobs(services, who) if name == "comfyui" else (0, 0)
    kind = ServiceActDialog if is_for(request, "dialog") else ServiceActPage
    return await render(request, services, who, kind(service, action.value, running, waiting))


@router.post("/{name}/{action}")
async def act(request: Request, services: ServicesDep, _who: Keeper, name: str, action: Action) -> Response:
    """Start, stop or restart a service."""
    service = await services.processes.act(name, action)
    toast = Toast(f"{service.label} {_DONE[action]}", icon="rotate-cw", tone="info")
    return await done(request, to=f"/services?log={name}", events=(CLOSE_DIALOG, SERVICES_CHANGED), toast=toast)


def _wanted_log(request: Request, sources: Sequence[Service]) -> LogFilter:
    query = request.query_params
    names = {service.name: service.label for service in sources}
    name = query.get("log", "")
    if name not in names:
        name = next(iter(names), "")
    level = query.get("level", "")
    return LogFilter(name, names.get(name, ""), query.get("q", "")[:200], level if level in set(Level) else "")


async def _entries(services: Services, log: LogFilter) -> list[Entry]:
    if not log.name:
        return []
    source = await services.processes.log(log.name)
    is_filtered = bool(log.q or log.level)
    entries = await asyncio.to_thread(source.tail, _LINES_SEARCHED if is_filtered else _LINES)
    wanted, level = log.q.casefold(), Level(log.level) if log.level else Level.DEBUG
    found = [each for each in entries if at_least(each.level, level) and wanted in each.text.casefold()]
    return found[-_LINES:]


def _detail(service: Service, services: Services, version: str | None, *, is_safe: bool) -> str:
    """Return what is worth knowing; of ComfyUI its version and nodes when nothing is wrong."""
    if service.detail or service.name != "comfyui" or service.state is not ServiceState.RUNNING:
        return service.detail
    known = [backend for backend in services.generation.backends() if backend.version is not None]
    safe = "safe mode, without custom nodes" if is_safe else ""
    nodes = f"{known[0].nodes} classes of nodes" if known and known[0].nodes else ""
    return ", ".join(filter(None, (version or (known[0].version if known else ""), nodes, safe)))


def _jobs(services: Services, who: Identity) -> tuple[int, int]:
    states = [job.state for job in services.generation.unfinished(owner_of(who))]
    return states.count(State.RUNNING), states.count(State.QUEUED)
