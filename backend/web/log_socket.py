"""The log of a service by WebSocket: its last lines first, then every new one.

The file is the buffer: each client reads at its own pace, so nothing is kept in memory for it. Who is not let in, and the
codes with which it is closed, are as in ``backend.web.socket``.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from backend.auth import Credentials, Identity, NotSignedIn, Scope, ScopeMissing
from backend.errors import HearthError
from backend.events.types import LOG_LINES
from backend.kit.clock import utc_now
from backend.system import Entry, LogReader
from backend.web.socket import refuse

if TYPE_CHECKING:
    from backend.bootstrap import Services

router = APIRouter()

_TOPIC = "logs"
_FIRST_LINES, _MOST_LINES = 500, 5_000
_LOOK_S = 0.25
_SEND_TIMEOUT_S = 10.0
_SIGN_IN_CHECK_S = 1.0
_TOO_SLOW = 1013


@router.websocket("/ws/system/services/{name}/logs")
async def log_lines(websocket: WebSocket, name: str) -> None:
    """Tell the last ``?lines=`` of a service's log, then every line that it writes."""
    services: Services = websocket.state.services
    try:
        identity = await services.auth.identify(Credentials.from_scope(websocket.scope))
        if not identity.scope.includes(Scope.READ):
            raise ScopeMissing("This key may not read.")
        source = await services.processes.log(name)
        first, reader = await asyncio.to_thread(source.follow, _lines_of(websocket))
        try:
            await websocket.accept()
            await _tell(_Line(websocket, services, identity, name), first, reader)
        finally:
            await asyncio.to_thread(reader.close)
    except HearthError as error:
        await refuse(websocket, error)
    except WebSocketDisconnect:
        pass  # gone before or while it was let in


def _lines_of(websocket: WebSocket) -> int:
    wanted = websocket.query_params.get("lines", "")
    return min(int(wanted), _MOST_LINES) if wanted.isdigit() else _FIRST_LINES


class _Line:
    """One client that was let in."""

    def __init__(self, websocket: WebSocket, services: Services, identity: Identity, name: str) -> None:
        self._websocket = websocket
        self._services = services
        self._identity = identity
        self._name = name
        self._seq = 0

    @property
    def is_live(self) -> bool:
        """Whether the sign-in is still in force."""
        return self._services.auth.is_live(self._identity)

    async def send(self, kind: str, entries: list[Entry]) -> bool:
        """Send lines in one frame; false when the client has not read for too long."""
        frame = {
            "topic": _TOPIC, "type": kind, "seq": self._seq, "at": utc_now().isoformat(), "key": self._name,
            "data": {"lines": [entry.as_dict() for entry in entries]},
        }  # fmt: skip
        self._seq += 1
        text = json.dumps(frame, separators=(",", ":"), ensure_ascii=False)
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await self._websocket.send_text(text)
        except TimeoutError:
            return False
        return True

    async def gone(self) -> None:
        """Wait until the client leaves; what it says is not listened to."""
        while (await self._websocket.receive())["type"] != "websocket.disconnect":
            pass

    async def close(self, code: int, reason: str) -> None:
        """Close it from our side."""
        with suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(1.0):
                await self._websocket.close(code, reason)


async def _tell(line: _Line, first: list[Entry], reader: LogReader) -> None:
    leaving = asyncio.create_task(line.gone())
    telling = asyncio.create_task(_follow(line, first, reader))
    try:
        while line.is_live:
            done, _ = await asyncio.wait(
                {leaving, telling}, timeout=_SIGN_IN_CHECK_S, return_when=asyncio.FIRST_COMPLETED
            )
            if leaving in done:
                return
            if telling in done:
                telling.result()
                await line.close(_TOO_SLOW, "too_slow")
                return
        await line.close(4000 + NotSignedIn.status, NotSignedIn.code)
    finally:
        for task in (leaving, telling):
            task.cancel()
        await asyncio.gather(leaving, telling, return_exceptions=True)


async def _follow(line: _Line, first: list[Entry], reader: LogReader) -> None:
    """Send what there is until the client does not read any more."""
    if not await line.send("snapshot", first):
        return
    while True:
        entries = await asyncio.to_thread(reader.read)
        if not entries:
            await asyncio.sleep(_LOOK_S)
        elif not await line.send(LOG_LINES, entries):
            return
