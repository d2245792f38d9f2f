"""/comfyui/ws: ComfyUI's socket, for one client of Hearth.

Who is not let in gets the answer that HTTP would give; a browser's handshake is accepted and closed with 4401 or 4403, for
browsers hide such an answer from the page. After that: 4401 the sign-in ended, 1013 the client reads too slowly. However a
client goes, its unfinished jobs are cancelled when its key says so; not when the server stops, which closes with 1012.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from backend.auth import AuthError, NotSignedIn, Scope
from backend.comfyui import ComfyUIError
from backend.comfyui.shapes import mapping
from backend.compat.comfyui import frames
from backend.compat.comfyui.backends import first_healthy
from backend.compat.comfyui.entry import address_of, admit_with_token
from backend.compat.comfyui.errors import NoComfyUI, NoSuchRoute
from backend.compat.comfyui.memory import Memory
from backend.compat.comfyui.outbox import Outbox
from backend.compat.comfyui.presence import Client, Presence
from backend.compat.comfyui.prompts import MAX_CLIENT_ID
from backend.compat.comfyui.records import Records
from backend.compat.comfyui.telling import Telling
from backend.compat.identity import owner_of, services_of
from backend.errors import JSON, HearthError
from backend.events.types import GENERATION_CHANGED, GENERATIONS
from backend.generation import GenerationNotFound
from backend.kit.redact import redact
from backend.logs import get_logger

log = get_logger(__name__)

_SEND_TIMEOUT_S = 20.0
_CLOSE_TIMEOUT_S = 1.0
_SIGN_IN_CHECK_S = 1.0
_TOO_SLOW = 1013
_SERVER_STOPS = 1012  # RFC 6455, registry of section 11.7: service restart
_FLAGS: dict[str, JSON] = {"supports_preview_metadata": True, "max_upload_size": 100 * 1024**2}


async def serve(websocket: WebSocket) -> None:
    """Serve one client until it leaves or must."""
    address = address_of(websocket.scope)
    try:
        await admit_with_token(websocket, address, Scope.READ)
        if address.path != "/ws":
            raise NoSuchRoute("There is no such socket.")
    except (AuthError, NoSuchRoute) as error:
        await _refuse(websocket, error)
        return
    with suppress(WebSocketDisconnect):  # gone before or while it was let in
        await _Connection(websocket).run()


async def _refuse(websocket: WebSocket, error: HearthError) -> None:
    with suppress(WebSocketDisconnect):
        if "origin" in websocket.headers or "websocket.http.response" not in websocket.scope.get("extensions", {}):
            await websocket.accept()
            await websocket.close(4000 + error.status, error.code)
            return
        shape = {name: redact(value) if isinstance(value, str) else value for name, value in error.as_dict().items()}
        await websocket.send_denial_response(JSONResponse({"error": shape}, error.status))


class _Connection:
    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        services = services_of(websocket)  # pyright: ignore[reportArgumentType] -- its state is the same
        self._services = services
        self._identity = websocket.state.identity
        self._client_id = websocket.query_params.get("clientId", "")[:MAX_CLIENT_ID] or uuid.uuid4().hex
        self._outbox = Outbox()
        records = Records(websocket, owner_of(websocket))  # pyright: ignore[reportArgumentType]
        self._owner = records.owner
        self._telling = Telling(services.generation, records, Memory.of(websocket), self._client_id, self._outbox)
        self._changes = services.hub.subscribe((GENERATIONS,), progress=False)
        self._server_stops = False
        self._unfinished: Sequence[str] | None = None  # until the client's end was heard

    async def run(self) -> None:
        await self._websocket.accept()
        presence: Presence = self._websocket.state.presence
        client = Client(self._owner, self._client_id)
        is_gone = False
        presence.arrive(client)
        try:
            await self._converse()
            is_gone = not self._server_stops
        finally:
            ends_jobs = is_gone and self._identity.cancel_on_disconnect
            unfinished = self._unfinished_now() if self._unfinished is None else self._unfinished
            presence.leave(client, self._services.generation if ends_jobs else None, unfinished)

    def _unfinished_now(self) -> Sequence[str]:
        return [job.id for job in self._services.generation.unfinished(self._owner)]

    async def _converse(self) -> None:
        with ExitStack() as listening:
            listening.enter_context(self._changes)
            for stop in self._overhear():
                listening.callback(stop)
            self._telling.greet()
            duties = [asyncio.create_task(duty) for duty in (self._send(), self._follow(), self._listen())]
            try:
                closing = await self._first_end(duties)
            finally:
                for duty in duties:
                    duty.cancel()
                await asyncio.gather(*duties, return_exceptions=True)
        if closing is not None:
            await self._close(*closing)

    def _overhear(self) -> list[Callable[[], None]]:
        generation = self._services.generation
        backends = [generation.backend(shown.id) for shown in generation.backends()]
        return [each.stream.overhear(partial(self._telling.hear, each.id)) for each in backends]

    async def _first_end(self, duties: list[asyncio.Task[tuple[int, str] | None]]) -> tuple[int, str] | None:
        while self._services.auth.is_live(self._identity):
            done, _ = await asyncio.wait(duties, timeout=_SIGN_IN_CHECK_S, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return done.pop().result()
            if self._outbox.is_full:
                return _TOO_SLOW, "too_slow"
        return 4000 + NotSignedIn.status, NotSignedIn.code

    async def _send(self) -> tuple[int, str] | None:
        while True:
            frame = await self._outbox.next()
            try:
                async with asyncio.timeout(_SEND_TIMEOUT_S):
                    if isinstance(frame, bytes):
                        await self._websocket.send_bytes(frame)
                    else:
                        await self._websocket.send_text(frame)
            except TimeoutError:
                return _TOO_SLOW, "too_slow"
            except WebSocketDisconnect:
                await asyncio.sleep(_CLOSE_TIMEOUT_S)  # who closed it is for _listen to hear, which ends this
                return None

    async def _follow(self) -> None:
        while True:
            for heard in await self._changes.next():
                event = heard.event
                if event.type == GENERATION_CHANGED and self._services.generation.may_see(self._owner, event.key):
                    with suppress(GenerationNotFound):
                        await self._telling.change(event.data)
            if self._changes.lost:
                self._changes.resume()
                with suppress(GenerationNotFound):
                    await self._telling.catch_up()

    async def _listen(self) -> None:
        is_first = True
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                self._server_stops = message.get("code") == _SERVER_STOPS
                # At once: what ends the other duties takes its time, and the client may be sending something new.
                self._unfinished = self._unfinished_now()
                return
            document = _parsed(message.get("text") or "")
            if document is None:
                continue  # what cannot be read does not count, as with ComfyUI
            if is_first and document.get("type") == "feature_flags":
                flags = mapping(document.get("data"))
                self._telling.knows_metadata = flags.get("supports_preview_metadata") is True
                self._outbox.put(frames.message("feature_flags", await self._flags()))
            is_first = False

    async def _flags(self) -> dict[str, JSON]:
        with suppress(NoComfyUI, ComfyUIError):
            features = await first_healthy(self._services.generation).client.features()
            return {**features.flags, "supports_preview_metadata": True}
        return _FLAGS

    async def _close(self, code: int, reason: str) -> None:
        log.info("socket_closed", code=code, reason=reason, who=self._identity.name)
        # A client that does not read cannot be told; the server drops it when this function returns.
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._websocket.close(code, reason)


def _parsed(text: str) -> dict[str, JSON] | None:
    try:
        return mapping(json.loads(text))
    except (ValueError, RecursionError):
        return None
