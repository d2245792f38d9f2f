"""Services: what runs beside Hearth, starting and stopping it, and its log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from backend.api.dependencies import Manager, Reader, ServicesDep
from backend.system import Action, Entry, Level, LogSource, Service, at_least

router = APIRouter(prefix="/api/system/services", tags=["system"])

_MOST_LINES = 5_000
_LOG_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {}}, "description": "The log, oldest line first"}
}


class ServiceList(BaseModel):
    """Every service, those that are not part of this installation last."""

    items: list[Service]
    total: int


class LogLine(BaseModel):
    """One line of a log."""

    at: datetime | None = Field(description="When it was written; null when nobody noted it")
    level: Level
    text: str = Field(examples=["To see the GUI go to: http://127.0.0.1:8188"])


class LogPage(BaseModel):
    """The last lines of a log, oldest first."""

    items: list[LogLine]
    total: int = Field(description="Lines in this answer")


@router.get("", summary="List the services")
async def list_services(services: ServicesDep, _who: Reader) -> ServiceList:
    """Tell of each service how it does, since when, how much memory it takes, and what can be asked of it."""
    found = await services.processes.list()
    return ServiceList(items=found, total=len(found))


@router.get("/{name}", summary="Show a service")
async def show_service(services: ServicesDep, _who: Reader, name: str) -> Service:
    """Tell how one service does."""
    return await services.processes.get(name)


@router.post("/{name}/start", summary="Start a service", status_code=202)
async def start(services: ServicesDep, _who: Manager, name: str) -> Service:
    """Begin to start it, and keep it running from now on; answers how it is right afterwards."""
    return await services.processes.act(name, Action.START)


@router.post("/{name}/stop", summary="Stop a service", status_code=202)
async def stop(services: ServicesDep, _who: Manager, name: str) -> Service:
    """Begin to stop it; it stays stopped until somebody starts it, or the container. Hearth and the proxy are not stopped."""
    return await services.processes.act(name, Action.STOP)


@router.post("/{name}/restart", summary="Restart a service", status_code=202)
async def restart(services: ServicesDep, _who: Manager, name: str) -> Service:
    """Begin to end it and start it again; answers how it is right afterwards."""
    return await services.processes.act(name, Action.RESTART)


@router.get("/{name}/logs", summary="Read the log of a service")
async def logs(
    services: ServicesDep,
    _who: Reader,
    name: str,
    lines: Annotated[int, Query(ge=1, le=_MOST_LINES, description="So many of the last lines are looked at")] = 200,
    level: Annotated[Level, Query(description="Only lines as bad as this or worse")] = Level.DEBUG,
    q: Annotated[str, Query(max_length=200, description="Only lines with this text, whatever its case")] = "",
) -> LogPage:
    """Tell the last lines, oldest first; `/ws/system/services/{name}/logs` goes on where they end."""
    await services.processes.get(name)
    source = await services.processes.log(name)
    found = filtered(await asyncio.to_thread(source.tail, lines), level=level, text=q)
    shown = [LogLine(at=entry.at, level=entry.level, text=entry.text) for entry in found]
    return LogPage(items=shown, total=len(shown))


@router.get(
    "/{name}/logs/file", summary="Download the log of a service", response_class=StreamingResponse, responses=_LOG_FILE
)
async def log_file(services: ServicesDep, _who: Reader, name: str) -> StreamingResponse:
    """Send everything that is kept of the log as text, times in UTC, secrets masked."""
    source = await services.processes.log(name)
    headers = {"Content-Disposition": f'attachment; filename="{name}.log"'}
    return StreamingResponse(_pieces(source), media_type="text/plain; charset=utf-8", headers=headers)


def filtered(entries: list[Entry], *, level: Level, text: str) -> list[Entry]:
    """Leave out lines that are not as bad as *level*, and those without *text*."""
    wanted = text.casefold()
    return [each for each in entries if at_least(each.level, level) and wanted in each.text.casefold()]


async def _pieces(source: LogSource) -> AsyncGenerator[bytes]:
    pieces = source.whole()
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
