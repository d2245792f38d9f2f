"""One connection of a model host: read requests, send answers byte by byte, and know when the client has gone.

It speaks HTTP/1.1 on a blocking socket in a thread of its own, because a host that misbehaves needs the socket itself, and
because sendall of large blocks outside the interpreter lock is what makes it fast enough for benchmarks.
"""

from __future__ import annotations

import contextlib
import gzip
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

from tests.fakes.exchange import Ending, Reply, Seen, parse_range

_MAX_HEAD_BYTES = 65_536
_TICK_S = 0.02  # a slow body is sent in steps of this length
_NO_LINGER = struct.pack("ii", 1, 0)


class ClientGone(Exception):
    """The other side closed, or the host is being closed."""


class Connection:
    """Serve one client until either side has had enough.

    Args:
        answer: Turns a request into a reply; called in this connection's thread.
        changed: Called whenever a record of a request changed.
    """

    def __init__(
        self, sock: socket.socket, number: int, answer: Callable[[Seen], Reply], changed: Callable[[], None]
    ) -> None:
        self._sock = sock
        self._number = number
        self._answer = answer
        self._changed = changed
        self._pending = bytearray()

    def run(self) -> None:
        """Serve requests one after the other."""
        try:
            while (seen := self._read_request()) is not None:
                if not self._serve(seen):
                    return
        except (ClientGone, OSError, ValueError):
            pass
        finally:
            self.close()

    def shut(self) -> None:
        """End the conversation from another thread; the connection's own thread then closes the socket."""
        with contextlib.suppress(OSError):
            # The plain method: SSLSocket.shutdown would wait for nobody, but forget its TLS state under the other thread.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close in order."""
        self.shut()
        self._sock.close()

    def _read_request(self) -> Seen | None:
        while (end := self._pending.find(b"\r\n\r\n")) < 0:
            if len(self._pending) > _MAX_HEAD_BYTES or not self._receive():
                return None
        head = self._pending[:end].decode("latin-1")
        del self._pending[: end + 4]
        line, *fields = head.split("\r\n")
        method, path, _ = line.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
        length = int(headers.get("content-length", "0"))
        while len(self._pending) < length and self._receive():
            pass
        body = bytes(self._pending[:length])
        del self._pending[:length]
        return Seen(method, path, headers, body, self._number, parse_range(headers.get("range")))

    def _receive(self) -> bool:
        data = self._sock.recv(65_536)
        self._pending += data
        return bool(data)

    def _serve(self, seen: Seen) -> bool:
        """Answer *seen*; tell whether the connection stays open."""
        try:
            reply = self._answer(seen)
            seen.status = reply.status
            self._wait(reply.delay_s)
            if reply.silent:
                seen.cut = True
                return False
            whole = self._send(seen, reply)
            seen.cut = not whole
            return whole and not reply.close and seen.headers.get("connection", "").lower() != "close"
        except (ClientGone, OSError):
            seen.cut = True
            raise
        finally:
            seen.closed_at = time.monotonic()
            self._changed()

    def _send(self, seen: Seen, reply: Reply) -> bool:
        body = self._body(reply)
        headers = {"Content-Length": str(reply.stop - reply.start), **reply.headers}
        if reply.gzip:
            # Without compression: noise does not shrink, trying would only take time.
            data = gzip.compress(reply.content.read(reply.start, reply.stop), 0)
            body = iter((memoryview(data),))
            headers |= {"Content-Length": str(len(data)), "Content-Encoding": "gzip"}
        if reply.chunked:
            del headers["Content-Length"]
            headers["Transfer-Encoding"] = "chunked"
        if reply.close:
            headers["Connection"] = "close"
        phrase = HTTPStatus(reply.status).phrase
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self._sock.sendall("\r\n".join(lines).encode("latin-1"))
        self._changed()
        if seen.method == "HEAD" or reply.status in (204, 304):
            return True
        return self._send_body(seen, reply, body)

    def _body(self, reply: Reply) -> Iterator[memoryview]:
        position = reply.start
        for block in reply.content.blocks(reply.start, reply.stop):
            if reply.flip is not None and position <= reply.flip < position + len(block):
                wrong = bytearray(block)
                wrong[reply.flip - position] ^= 0xFF
                yield memoryview(wrong)
            else:
                yield block
            position += len(block)

    def _send_body(self, seen: Seen, reply: Reply, body: Iterator[memoryview]) -> bool:
        started = time.monotonic()
        for block in body:
            for piece in _pieces(block, reply.rate_bytes_s):
                room = reply.cut_after - seen.bytes_sent if reply.ending is not Ending.WHOLE else len(piece)
                part = piece[: max(0, room)]
                if part:
                    self._sock.sendall(b"%x\r\n" % len(part) + part + b"\r\n" if reply.chunked else part)
                    seen.bytes_sent += len(part)
                    self._changed()
                if len(part) < len(piece):
                    self._end_early(reply.ending)
                    return False
                if reply.rate_bytes_s:
                    self._wait(started + seen.bytes_sent / reply.rate_bytes_s - time.monotonic())
        if reply.chunked:
            self._sock.sendall(b"0\r\n\r\n")
        return True

    def _end_early(self, ending: Ending) -> None:
        if ending is Ending.STALL:
            while True:
                self._wait(60)
        if ending is Ending.RESET:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            # Without shutdown: closing the descriptor itself is what sends the RST.
            socket.socket(fileno=self._sock.detach()).close()

    def _wait(self, seconds: float) -> None:
        """Let time pass, but notice at once when the client closes."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([self._sock], [], [], left)
            if readable and not self._receive():
                raise ClientGone


def _pieces(block: memoryview, rate_bytes_s: float) -> Iterator[memoryview]:
    size = max(1, int(rate_bytes_s * _TICK_S)) if rate_bytes_s else len(block)
    for at in range(0, len(block), max(1, size)):
        yield block[at : at + size]


def secured(sock: socket.socket, context: ssl.SSLContext | None) -> socket.socket:
    """Make the TLS handshake when there is a context."""
    return sock if context is None else context.wrap_socket(sock, server_side=True)
