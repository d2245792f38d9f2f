"""What stands behind the doors in place of code-server and JupyterLab: tells what reached it, and speaks WebSocket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import Thread

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve


def _told(_: ServerConnection, request: Request) -> Response | None:
    if request.headers.get("Upgrade"):
        return None
    body = json.dumps({"path": request.path, "headers": dict(request.headers.raw_items())}).encode()
    headers = Headers(
        [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
    )
    return Response(HTTPStatus.OK, "OK", headers, body)


def _repeat(socket: ServerConnection) -> None:
    for message in socket:
        socket.send(message)


@contextmanager
def echo() -> Iterator[int]:
    """Listen on a free port of the loopback interface and yield it."""
    server: Server
    with serve(_repeat, "127.0.0.1", 0, process_request=_told) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield int(server.socket.getsockname()[1])
        finally:
            server.shutdown()
            thread.join(timeout=10)
