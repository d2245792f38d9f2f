"""What one ComfyUI says by itself: its WebSocket, kept open, decoded, made again when it breaks.

Every connection has a fresh client id. The server keeps one socket per id and forgets the *newer* one when an older one
with the same id closes, which a half-open connection does at any time; so an id is never used twice.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from backend.comfyui.errors import ComfyUIUnreachable
from backend.comfyui.frames import decode
from backend.comfyui.messages import Connected, Disconnected, FeatureFlags, Message
from backend.comfyui.wire import tls_context
from backend.kit.backoff import delay_s
from backend.kit.redact import redact_url

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

logger = logging.getLogger(__name__)

Listener = Callable[[Message], None]
FrameListener = Callable[[Message, str | bytes], None]
_FLAGS = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})


@dataclass(frozen=True, slots=True)
class StreamPace:
    """Seconds, and bytes.

    Args:
        ping_s: Between two pings.
        silence_s: Without an answer to a ping for so long, the connection counts as dead. ComfyUI may keep its
            interpreter busy for many seconds while it loads a model.
        open_s: For making a connection.
        flags_s: For the server's answer to our flags; servers that have none say nothing.
        max_frame_bytes: Of one message; nodes may send whole results as frames.
    """

    ping_s: float = 10.0
    silence_s: float = 30.0
    open_s: float = 10.0
    flags_s: float = 2.0
    backoff_base_s: float = 0.2
    backoff_cap_s: float = 5.0
    max_frame_bytes: int = 128 * 1024 * 1024


class Stream:
    """Listen to the ComfyUI at *url*.

    Args:
        headers: Sent with the handshake; may hold a secret. ``Origin`` is never sent.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        pace: StreamPace | None = None,
        cafile: str | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {name: value for name, value in (headers or {}).items() if name.lower() != "origin"}
        self._pace = pace or StreamPace()
        self._cafile = cafile
        self._listeners: list[Listener] = []
        self._frame_listeners: list[FrameListener] = []
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._client_id: str | None = None
        self.name = redact_url(self._url)

    @property
    def client_id(self) -> str | None:
        """The id under which prompts must be sent to be heard of now; None while there is no connection."""
        return self._client_id

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call *listener* with every message, in order, on the event loop; it must neither block nor raise.

        Returns:
            What to call to stop.
        """
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def overhear(self, listener: FrameListener) -> Callable[[], None]:
        """Call *listener* like those of :meth:`listen`, and with the frame itself; what is our own word has none.

        Returns:
            What to call to stop.
        """
        self._frame_listeners.append(listener)

        def stop() -> None:
            if listener in self._frame_listeners:
                self._frame_listeners.remove(listener)

        return stop

    def start(self) -> None:
        """Connect, and connect again whenever the connection breaks, until :meth:`close`."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"comfyui stream {self.name}")

    async def close(self) -> None:
        """Close the connection and stay away."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def ready(self, timeout_s: float) -> str:
        """Wait for a connection on which the server knows our flags; return its client id.

        Raises:
            ComfyUIUnreachable: There is none in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self._client_id is None:
                    await self._ready.wait()
        except TimeoutError:
            raise ComfyUIUnreachable(f"ComfyUI at {self.name} cannot be listened to.") from None
        return self._client_id

    async def _keep(self) -> None:
        attempt = 0
        while True:
            try:
                reason, was_open = await self._once()
            except Exception as error:  # whatever a server says, the next connection is made
                logger.exception("listening to ComfyUI at %s failed", self.name)
                reason, was_open = type(error).__name__, False
            attempt = 1 if was_open else attempt + 1
            logger.info("no connection to the events of ComfyUI at %s: %s", self.name, reason)
            await asyncio.sleep(delay_s(attempt, base_s=self._pace.backoff_base_s, cap_s=self._pace.backoff_cap_s))

    async def _once(self) -> tuple[str, bool]:
        """Hold one connection for as long as it lasts; return why it ended, and whether it ever stood."""
        client_id = uuid.uuid4().hex
        try:
            connection = await self._open(client_id)
        except Exception as error:  # noqa: BLE001 - the library has many reasons, and none may end the loop
            return type(error).__name__, False
        try:
            reason = await self._listen(connection, client_id)
        finally:
            was_ready = self._client_id is not None
            self._client_id = None
            self._ready.clear()
            # A half-open connection would wait for the other side's goodbye, which never comes.
            connection.transport.abort()
            if was_ready:
                self._tell(Disconnected("the connection was closed"))
        return reason, was_ready

    async def _open(self, client_id: str) -> ClientConnection:
        connect, context = await asyncio.to_thread(self._prepare)
        return await connect(
            _socket_url(self._url, client_id),
            additional_headers=self._headers,
            origin=None,
            ssl=context,
            open_timeout=self._pace.open_s,
            ping_interval=self._pace.ping_s,
            ping_timeout=self._pace.silence_s,
            close_timeout=1,
            max_size=self._pace.max_frame_bytes,
            compression=None,
            proxy=None,
        )

    def _prepare(self):  # noqa: ANN202 - the types are the library's
        """Import the library and read certificates; blocking."""
        from websockets.asyncio.client import connect

        return connect, tls_context(self._cafile) if urlsplit(self._url).scheme == "https" else None

    async def _listen(self, connection: ClientConnection, client_id: str) -> str:
        from websockets.exceptions import ConnectionClosed

        try:
            # The flags count only as the first message that the server gets.
            await connection.send(_FLAGS)
            await self._greeting(connection, client_id)
            while True:
                self._hand_on(await connection.recv())
        except ConnectionClosed as closed:
            ending = closed.rcvd or closed.sent
            return "broken" if ending is None else f"{ending.code} {ending.reason}".strip()

    async def _greeting(self, connection: ClientConnection, client_id: str) -> None:
        """Wait for the server's flags: only then is it sure that previews come with the id of their prompt."""
        early: list[str | bytes] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.flags_s):
                while not early or not isinstance(decode(early[-1]), FeatureFlags):
                    early.append(await connection.recv())
        self._client_id = client_id
        self._ready.set()
        self._tell(Connected(client_id))
        for frame in early:
            self._hand_on(frame)

    def _hand_on(self, frame: str | bytes) -> None:
        message = decode(frame)
        self._tell(message)
        for listener in tuple(self._frame_listeners):
            listener(message, frame)

    def _tell(self, message: Message) -> None:
        for listener in tuple(self._listeners):
            listener(message)


def _socket_url(url: str, client_id: str) -> str:
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, f"{parts.path}/ws", f"clientId={client_id}", ""))
