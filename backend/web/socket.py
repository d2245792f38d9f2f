"""Numbers by WebSocket: first the whole state of each topic, then what changes.

Who is not let in gets the answer that HTTP would give, 401 or 403 with the reason as JSON. Browsers hide such an answer
from the page, so a handshake with an ``Origin`` is accepted and closed at once with 4401 or 4403 and the error's code as
reason (RFC 6455, section 7.4.2 leaves 4000-4999 to applications). Codes after that: 4401 the sign-in ended, 1013 the client
reads too slowly, 1009 it sends too much; the server itself closes with 1012 when it stops. Pings are the server's
(``ws_ping_interval``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from fastapi import APIRouter
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from backend.auth import Credentials, Identity, NotSignedIn
from backend.bootstrap import owner_of
from backend.errors import HearthError
from backend.events import TOPICS, Event, Numbered, Subscription
from backend.events.types import DOWNLOADS, GENERATIONS, STORAGE, SYSTEM
from backend.kit.clock import utc_now
from backend.kit.redact import redact
from backend.logs import get_logger
from backend.web.snapshots import Snapshot, snapshot

if TYPE_CHECKING:
    from backend.bootstrap import Services

log = get_logger(__name__)
router = APIRouter()

_PROGRESS_INTERVAL_S = 0.1
_SEND_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 1.0
_SIGN_IN_CHECK_S = 1.0
_MAX_INPUT = 4096  # characters; a ping needs 15

_TOO_SLOW, _TOO_BIG = 1013, 1009


class UnknownTopic(HearthError):
    """The address asks for a topic that does not exist."""

    code = "unknown_topic"
    status = 422
    default_hint = f"Topics are: {', '.join(TOPICS)}."


@dataclass(frozen=True, slots=True)
class _Closing:
    code: int
    reason: str


@router.websocket("/ws/downloads")
async def downloads(websocket: WebSocket) -> None:
    """Tell every job of the queue."""
    await _serve(websocket, (DOWNLOADS,))


@router.websocket("/ws/downloads/{job_id}")
@router.websocket("/ws/progress/{job_id}")
async def download(websocket: WebSocket, job_id: str) -> None:
    """Tell one job."""
    await _serve(websocket, (DOWNLOADS,), key=job_id)


@router.websocket("/ws/storage")
async def storage(websocket: WebSocket) -> None:
    """Tell the space of every volume."""
    await _serve(websocket, (STORAGE,))


@router.websocket("/ws/system")
async def system(websocket: WebSocket) -> None:
    """Tell the load of the machine, once a second."""
    await _serve(websocket, (SYSTEM,))


@router.websocket("/ws/generations")
async def generations(websocket: WebSocket) -> None:
    """Tell every job that the caller may see, with previews."""
    await _serve(websocket, (GENERATIONS,), previews=True)


@router.websocket("/ws/generations/{job_id}")
async def generation(websocket: WebSocket, job_id: str) -> None:
    """Tell one job, with previews."""
    await _serve(websocket, (GENERATIONS,), key=job_id, previews=True)


@router.websocket("/ws/live")
async def live(websocket: WebSocket) -> None:
    """Tell the topics named in ``?topics=downloads,system``, or all of them, over one connection."""
    named = [topic.strip() for topic in websocket.query_params.get("topics", ",".join(TOPICS)).split(",")]
    await _serve(websocket, tuple(dict.fromkeys(filter(None, named))))


async def _serve(
    websocket: WebSocket, topics: Sequence[str], *, key: str | None = None, previews: bool = False
) -> None:
    services: Services = websocket.state.services
    subscription = services.hub.subscribe(topics, key=key, progress_interval_s=_PROGRESS_INTERVAL_S)
    try:
        identity = await services.auth.identify(Credentials.from_scope(websocket.scope))
        _check_topics(topics)
        with subscription:
            # Listening starts before the state is read, so that nothing falls between the two.
            connection = _Connection(websocket, services, subscription, identity, key, previews=previews)
            first = await connection.state()
            await websocket.accept()
            await connection.run(first)
    except HearthError as error:
        await refuse(websocket, error)
    except WebSocketDisconnect:
        pass  # gone before or while it was let in


def _check_topics(topics: Sequence[str]) -> None:
    unknown = [topic for topic in topics if topic not in TOPICS]
    if unknown or not topics:
        raise UnknownTopic(f"{unknown[0]!r} is not a topic." if unknown else "No topic is named.")


async def refuse(websocket: WebSocket, error: HearthError) -> None:
    """End a handshake with the reason, as the head of this file says."""
    with suppress(WebSocketDisconnect):
        if "origin" in websocket.headers or "websocket.http.response" not in websocket.scope.get("extensions", {}):
            await websocket.accept()
            await websocket.close(4000 + error.status, error.code)
            return
        shape = {name: redact(value) if isinstance(value, str) else value for name, value in error.as_dict().items()}
        await websocket.send_denial_response(JSONResponse({"error": shape}, error.status))


class _Connection:
    """Serve one client that was let in."""

    def __init__(
        self,
        websocket: WebSocket,
        services: Services,
        subscription: Subscription,
        identity: Identity,
        key: str | None,
        *,
        previews: bool = False,
    ) -> None:
        self._websocket = websocket
        self._services = services
        self._subscription = subscription
        self._identity = identity
        self._key = key
        self._owner = owner_of(identity)
        self._previews = previews

    async def state(self) -> list[str]:
        """Return a snapshot frame for each topic; its number is that of the newest change that it may hold.

        Raises:
            HearthError: There is no such job.
        """
        hub, frames = self._services.hub, list[str]()
        for topic in self._subscription.topics:
            seq = hub.sequence(topic)
            data = await snapshot(self._services, topic, self._key, self._owner)
            frames.append(_frame(topic, "snapshot", seq, utc_now(), self._key or "", data))
        return frames

    async def run(self, first: Sequence[str]) -> None:
        """Tell *first* and then every change, until the client leaves or must."""
        duties = [asyncio.create_task(self._tell(first)), asyncio.create_task(self._listen())]
        try:
            closing = await self._first_end(duties)
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
        if closing is not None:
            log.info("socket_closed", code=closing.code, reason=closing.reason, who=self._identity.name)
            await self._close(closing)

    async def _first_end(self, duties: Collection[asyncio.Task[_Closing | None]]) -> _Closing | None:
        while self._services.auth.is_live(self._identity):
            done, _ = await asyncio.wait(duties, timeout=_SIGN_IN_CHECK_S, return_when=asyncio.FIRST_COMPLETED)
            for duty in done:
                try:
                    return duty.result()
                except WebSocketDisconnect:
                    return None
                except HearthError as error:  # what it tells of is gone
                    return _Closing(4000 + error.status, error.code)
        return _Closing(4000 + NotSignedIn.status, NotSignedIn.code)

    async def _tell(self, first: Sequence[str]) -> _Closing:
        frames: Sequence[str | bytes] = first
        while True:
            for frame in frames:
                if not await self._send(frame):
                    return _Closing(_TOO_SLOW, "too_slow")
            frames = [_change(each) for each in await self._subscription.next() if self._is_told(each.event)]
            if self._subscription.lost:
                self._subscription.resume()
                frames = await self.state()

    def _is_told(self, event: Event) -> bool:
        """Leave out what happens to jobs of others, and previews where nobody looks."""
        if event.topic != GENERATIONS or not event.key:
            return True
        if event.blob is not None and not self._previews:
            return False
        return self._services.generation.may_see(self._owner, event.key)

    async def _listen(self) -> _Closing | None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return None
            text: str = message.get("text") or ""
            if len(text) > _MAX_INPUT or len(message.get("bytes") or b"") > _MAX_INPUT:
                return _Closing(_TOO_BIG, "too_big")
            if _is_ping(text) and not await self._send('{"type":"pong"}'):
                return _Closing(_TOO_SLOW, "too_slow")

    async def _send(self, frame: str | bytes) -> bool:
        """Send *frame*; false when the client has not read for too long. A frame is sent whole or not at all."""
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                if isinstance(frame, bytes):
                    await self._websocket.send_bytes(frame)
                else:
                    await self._websocket.send_text(frame)
        except TimeoutError:
            return False
        return True

    async def _close(self, closing: _Closing) -> None:
        # A client that does not read cannot be told that it is closed; the server drops it when this function returns.
        with suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._websocket.close(closing.code, closing.reason)


def _is_ping(text: str) -> bool:
    try:
        message: object = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and cast("dict[object, object]", message).get("type") == "ping"


def _change(numbered: Numbered) -> str | bytes:
    event = numbered.event
    frame = _frame(event.topic, event.type, numbered.seq, numbered.at, event.key, event.data)
    if event.blob is None:
        return frame
    head = frame.encode()
    return len(head).to_bytes(4, "big") + head + event.blob


def _frame(topic: str, kind: str, seq: int, at: datetime, key: str, data: Snapshot) -> str:
    frame = {"topic": topic, "type": kind, "seq": seq, "at": at.isoformat(), "key": key, "data": data}
    return json.dumps(frame, separators=(",", ":"))
