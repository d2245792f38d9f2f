"""A real HTTP/1.1 server on loopback that holds large files and misbehaves on demand.

    with ModelHost() as host:                       # ModelHost(tls=True): https, and host.cafile is its authority
        file = Content.random(50_000_000, seed=1)   # also .safetensors(size), .gguf(size), .of(b"…")
        host.put("/a.bin", file)                    # sound: Range, If-Range, HEAD, 206, 416, strong ETag, keep-alive
        host.put("/b.bin", file, Reset(after=1_000_000, times=1), Slow(5e6))
        host.put("/c.bin", file, too_many(times=2, retry_after=1), ChangingEtag(first=2))
        host.redirect("/old", "/a.bin")
        host.handle("/api/", lambda exchange: Reply.text(200, '{"a": 1}', "application/json"))   # everything below /api/
        fetch(host.url("/b.bin"))
        host.wait_for(lambda seen: len(seen) >= 2 and seen[-1].closed_at)      # or: await host.until(...)
        assert [request.range for request in host.requests] == [None, (1_000_000, None)]
        assert file.is_in(path) and file.sha256 == …

Fixtures: ``model_host``, ``tls_model_host``, ``hugging_face``, ``civitai``, ``github``, ``cafile``. Faults and their
meaning: ``tests/fakes/faults.py``. The flows of the three peers: ``hub.py``, ``civitai.py``, ``github.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.fakes.authority import TestAuthority
from tests.fakes.connection import Connection, secured
from tests.fakes.content import Content
from tests.fakes.exchange import Exchange, Handler, Reply, Seen, serve
from tests.fakes.faults import (
    ChangingEtag,
    Chunked,
    ClosesConnection,
    Delay,
    Fault,
    FlippedByte,
    Gzipped,
    Hangup,
    HtmlPage,
    MaxConnections,
    NeedsToken,
    NoValidator,
    RangeIgnored,
    RangeRefused,
    RefusesAuthorization,
    Replaced,
    Reset,
    ShortBody,
    Slow,
    Stall,
    Status,
    WeakEtag,
    WrongOffset,
    too_many,
    unavailable,
)

__all__ = [
    "ChangingEtag",
    "Chunked",
    "ClosesConnection",
    "Content",
    "Delay",
    "Exchange",
    "Fault",
    "FlippedByte",
    "Gzipped",
    "Hangup",
    "HtmlPage",
    "MaxConnections",
    "ModelHost",
    "NeedsToken",
    "NoValidator",
    "RangeIgnored",
    "RangeRefused",
    "RefusesAuthorization",
    "Replaced",
    "Reply",
    "Reset",
    "Seen",
    "ShortBody",
    "Slow",
    "Stall",
    "Status",
    "TestAuthority",
    "WeakEtag",
    "WrongOffset",
    "too_many",
    "unavailable",
]


class ModelHost:
    """Serve contents under paths, in threads of its own; usable from sync tests, async tests and other processes.

    Args:
        tls: Speak https with a certificate of a test authority, for ``127.0.0.1`` and ``localhost``.
        name: Host part of :meth:`url`; ``localhost`` makes another origin of the same server.
        port: A fixed port, to come back on the same address after :meth:`close`.
    """

    def __init__(self, *, tls: bool = False, name: str = "127.0.0.1", port: int = 0) -> None:
        authority = TestAuthority.shared() if tls else None
        self.name = name
        self.cafile: str | None = None if authority is None else str(authority.path)
        self.requests: list[Seen] = []
        self._context: ssl.SSLContext | None = None if authority is None else authority.server_context
        self._contents: dict[str, Content] = {}
        self._faults: dict[str, tuple[Fault, ...]] = {}
        self._everywhere: tuple[Fault, ...] = ()
        self._handlers: dict[str, Handler] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._connections: dict[int, Connection | socket.socket] = {}
        self._accepted = 0
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name=f"model-host-{self.port}", daemon=True)
        self._thread.start()

    def url(self, path: str = "/") -> str:
        """Return the address of *path*."""
        return f"{'http' if self._context is None else 'https'}://{self.name}:{self.port}{path}"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return self.url("")

    @property
    def authority(self) -> str:
        """Host and port, as tokens are kept under it."""
        return f"{self.name}:{self.port}"

    def put(self, path: str, content: Content, *faults: Fault) -> str:
        """Serve *content* at *path* with *faults*, from request 1 on again; return its address."""
        with self._changed:
            self._contents[path] = content
            self._faults[path] = faults
            for method in ("GET", "HEAD"):
                self._counts.pop((method, path), None)
        return self.url(path)

    def handle(self, path: str, handler: Handler, *faults: Fault) -> None:
        """Let *handler* answer *path*, or everything below it when it ends with a slash."""
        self._handlers[path] = handler
        self._faults[path] = faults

    def redirect(self, path: str, to: str, status: int = 302) -> str:
        """Redirect *path* to another path or address; to itself it is a loop."""
        self.handle(path, lambda _exchange: Reply.redirect(to, status))
        return self.url(path)

    def everywhere(self, *faults: Fault) -> None:
        """Apply *faults* to every path too, replacing earlier ones; none takes them away."""
        self._everywhere = faults

    def remove(self, path: str) -> None:
        """Answer 404 at *path*."""
        self._contents.pop(path, None)
        self._handlers.pop(path, None)

    def requests_of(self, path: str, method: str = "GET") -> list[Seen]:
        """Return the requests of *path* (without query) so far."""
        return [seen for seen in list(self.requests) if seen.route == path and seen.method == method]

    def forget(self) -> None:
        """Drop the records of requests and count from 1 again."""
        with self._changed:
            self.requests.clear()
            self._counts.clear()

    @property
    def open_answers(self) -> int:
        """How many answers are being sent right now."""
        return sum(seen.closed_at is None for seen in list(self.requests))

    @property
    def bytes_sent(self) -> int:
        """Bytes of all bodies so far."""
        return sum(seen.bytes_sent for seen in list(self.requests))

    def wait_for(self, predicate: Callable[[list[Seen]], object], timeout: float = 10) -> None:
        """Block until *predicate* of the requests holds; asked again whenever a byte moves.

        Raises:
            AssertionError: It did not hold within *timeout* seconds.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not predicate(self.requests):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"the host did not see it within {timeout} s; it saw {self.requests}")
                self._changed.wait(left)

    async def until(self, predicate: Callable[[list[Seen]], object], timeout: float = 10) -> None:
        """Do what :meth:`wait_for` does without blocking the event loop."""
        await asyncio.to_thread(self.wait_for, predicate, timeout)

    def drop_connections(self) -> None:
        """Close every connection as a network loss or a restart of the host would; new ones are accepted."""
        for connection in list(self._connections.values()):
            _shut(connection)

    def close(self) -> None:
        """Stop listening and close every connection."""
        with contextlib.suppress(OSError):
            # This wakes accept(2); closing alone does not.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        self.drop_connections()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._accepted += 1
            name = f"model-host-{self.port}-{self._accepted}"
            self._connections[self._accepted] = sock
            threading.Thread(target=self._converse, args=(sock, self._accepted), name=name, daemon=True).start()

    def _converse(self, sock: socket.socket, number: int) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = secured(sock, self._context)
        except OSError:
            sock.close()
            self._connections.pop(number, None)
            return
        connection = Connection(sock, number, self._reply_to, self._notify)
        self._connections[number] = connection
        connection.run()
        self._connections.pop(number, None)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _reply_to(self, seen: Seen) -> Reply:
        with self._changed:
            self.requests.append(seen)
            key = (seen.method, seen.route)
            self._counts[key] += 1
            number = self._counts[key]
            active = sum(other.closed_at is None and other.route == seen.route for other in self.requests)
            self._changed.notify_all()
        return self._prepared(seen, number, active)

    def _prepared(self, seen: Seen, number: int, active: int) -> Reply:
        route = seen.route
        content = self._contents.get(route)
        exchange = Exchange(seen, number, active, Reply.text(404, "Not Found"), content)
        pattern = self._handler_for(route)
        if content is not None:
            exchange.reply = serve(seen, content)
        elif pattern is not None:
            exchange.reply = self._handlers[pattern](exchange)
        faults = self._faults.get(route, ()) or (self._faults[pattern] if pattern else ())
        for fault in (*faults, *self._everywhere):
            if fault.concerns(exchange):
                fault.apply(exchange)
        return exchange.reply

    def _handler_for(self, route: str) -> str | None:
        if route in self._handlers:
            return route
        below = [path for path in self._handlers if path.endswith("/") and route.startswith(path)]
        return max(below, key=len, default=None)


def _shut(connection: Connection | socket.socket) -> None:
    if isinstance(connection, Connection):
        connection.shut()
    else:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
