"""The server: one bucket, objects whole or in parts, and the ways in which such hosts fail."""

from __future__ import annotations

import hashlib
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree as ET

from tests.fakes.authority import TestAuthority
from tests.fakes.s3.signature import Asked, Refusal, refusal_of
from tests.secret_watch import secret

DEADLINE_S = 30
_LEAST_PART_BYTES = 5 * 1024 * 1024  # S3 user guide, "Amazon S3 multipart upload limits"; not for the last part


@dataclass(frozen=True, slots=True)
class Stored:
    """An object; ``parts`` is 0 when it came in one piece."""

    sha256: str
    size_bytes: int
    content_type: str
    parts: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived, and the status that it got."""

    method: str
    path: str
    query: str
    status: int


@dataclass
class _Unfinished:
    key: str
    content_type: str
    parts: dict[int, tuple[str, bytes]] = field(default_factory=dict)


class BucketHost:
    """Open with ``with``; ``stop`` and ``start`` keep port and objects, as a restart does.

    Args:
        clock: What time this host thinks it is.
        tls: Speak https, with a certificate of the tests' authority.
    """

    def __init__(
        self,
        *,
        bucket: str = "pictures",
        region: str = "us-east-1",
        clock: Callable[[], datetime] | None = None,
        tls: bool = False,
    ) -> None:
        self.bucket = bucket
        self.region = region
        self.access_key_id = secret("S3 access key id", "AKIA")
        self.secret_access_key = secret("S3 secret access key")
        self.objects: dict[str, Stored] = {}
        self.unfinished: dict[str, _Unfinished] = {}
        self.requests: list[Seen] = []
        self.passing = threading.Event()  # cleared: requests are read and then wait for their answer
        self.passing.set()
        self.held = 0  # requests that wait for their answer
        self.refusals: list[Refusal] = []  # each is the answer to one request
        self.refuses_always: Refusal | None = None
        self.key_refusals: dict[str, Refusal] = {}
        self.part_refusals: dict[int, Refusal] = {}
        self.clock = clock or (lambda: datetime.now(UTC))
        self.tls = tls
        self._news = threading.Condition()
        self._server: _Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.passing.set()
        self.stop()

    def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = _Server(("127.0.0.1", self._port), self)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more and drop every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.drop_connections()

    def wait_for(self, holds: Callable[[BucketHost], object], timeout_s: float = DEADLINE_S) -> None:
        """Wait until *holds* is true; blocking."""
        deadline = time.monotonic() + timeout_s
        with self._news:
            while not holds(self):
                assert self._news.wait(max(0.0, deadline - time.monotonic())), (
                    f"it did not come to that: {self.requests[-5:]}"
                )

    def answer(self, asked: Asked, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Do what a request asks for."""
        path, _, query = asked.target.partition("?")
        status, content, headers = self._answer(asked, body, path, parse_qs(query, keep_blank_values=True))
        with self._news:
            self.requests.append(Seen(asked.method, unquote(path), query, status))
            self._news.notify_all()
        return status, content, headers

    def arrived(self, asked: Asked) -> None:
        """Wait while nobody passes."""
        with self._news:
            self.held += 1
            self._news.notify_all()
        self.passing.wait(DEADLINE_S)
        with self._news:
            self.held -= 1

    def _answer(
        self, asked: Asked, body: bytes, path: str, query: dict[str, list[str]]
    ) -> tuple[int, bytes, dict[str, str]]:
        refusal = self.refuses_always or (self.refusals.pop(0) if self.refusals else None)
        refusal = refusal or refusal_of(
            asked, access_key_id=self.access_key_id, secret=self.secret_access_key, region=self.region, now=self.clock()
        )
        bucket, _, key = unquote(path).removeprefix("/").partition("/")
        if refusal is None and bucket != self.bucket:
            refusal = Refusal(404, "NoSuchBucket")
        refusal = refusal or self.key_refusals.get(key)
        if refusal is not None:
            return _refused(refusal, asked)
        with self._news:
            return self._done(asked, key, query, body)

    def _done(
        self, asked: Asked, key: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        upload = query.get("uploadId", [""])[0]
        content_type = asked.headers.get("content-type", "binary/octet-stream")
        if upload and upload not in self.unfinished:
            return _refused(Refusal(404, "NoSuchUpload"), asked)
        match asked.method, "uploads" in query, bool(upload):
            case "PUT", False, False:
                self.objects[key] = _stored(body, content_type, 0)
                return 200, b"", {"ETag": _etag(body)}
            case "POST", True, False:
                upload = secrets.token_hex(8)
                self.unfinished[upload] = _Unfinished(key, content_type)
                inner = f"<Bucket>{self.bucket}</Bucket><Key>{key}</Key><UploadId>{upload}</UploadId>"
                return 200, _xml("InitiateMultipartUploadResult", inner), {}
            case "PUT", False, True:
                number = int(query["partNumber"][0])
                if number in self.part_refusals:
                    return _refused(self.part_refusals[number], asked)
                self.unfinished[upload].parts[number] = (_etag(body), body)
                return 200, b"", {"ETag": _etag(body)}
            case "POST", False, True:
                return self._completed(asked, upload, body)
            case "DELETE", False, True:
                del self.unfinished[upload]
                return 204, b"", {}
            case _:
                return _refused(Refusal(501, "NotImplemented"), asked)

    def _completed(self, asked: Asked, upload: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        begun = self.unfinished[upload]
        named = [
            (int(part.findtext("{*}PartNumber") or 0), part.findtext("{*}ETag") or "")
            for part in ET.fromstring(body).iter()
            if part.tag.rpartition("}")[2] == "Part"
        ]
        if named != [(number, begun.parts[number][0]) for number in sorted(begun.parts)]:
            return _refused(Refusal(400, "InvalidPart"), asked)
        bodies = [begun.parts[number][1] for number, _ in named]
        if any(len(part) < _LEAST_PART_BYTES for part in bodies[:-1]):
            return _refused(Refusal(400, "EntityTooSmall"), asked)
        self.objects[begun.key] = _stored(b"".join(bodies), begun.content_type, len(bodies))
        del self.unfinished[upload]
        inner = f'<Bucket>{self.bucket}</Bucket><Key>{begun.key}</Key><ETag>"0-{len(bodies)}"</ETag>'
        return 200, _xml("CompleteMultipartUploadResult", inner), {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], host: BucketHost) -> None:
        self.host = host
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)
        if host.tls:
            self.socket = TestAuthority.shared().server_context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that are killed break connections."""

    def drop_connections(self) -> None:
        for connection in [*self._open]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, hashlib.sha256(body).hexdigest())
        self.server.host.arrived(asked)
        status, content, extra = self.server.host.answer(asked, body)
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_DELETE = do_GET = do_HEAD = do_PUT

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class says so
        """Say nothing."""


def _stored(body: bytes, content_type: str, parts: int) -> Stored:
    return Stored(hashlib.sha256(body).hexdigest(), len(body), content_type, parts, body)


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def _xml(name: str, inner: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}>{inner}</{name}>'.encode()


def _refused(refusal: Refusal, asked: Asked) -> tuple[int, bytes, dict[str, str]]:
    """Answer as S3 does, which repeats the key id and what it wanted to be signed."""
    told = asked.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]
    inner = f"<Code>{refusal.code}</Code><Message>It says so.</Message><AWSAccessKeyId>{told}</AWSAccessKeyId>"
    return refusal.status, _xml("Error", inner), {"Content-Type": "application/xml"}
