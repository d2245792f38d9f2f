"""What the roadmap's verifications use: its ``curl`` and ``wscat`` lines as they are written there, and its presets.

    curl("curl http://localhost:8000/api/health", server).json()
    with wscat('wscat -c "ws://localhost:8000/ws/downloads?token=$TOKEN"', server) as socket: …

``localhost:8000`` stands for the server of the test, ``$TOKEN`` for its token, ``{task_id}`` and the like for keyword
arguments. The bytes on the wire are those that curl sends, so no machine needs to have it.
"""

from __future__ import annotations

import json
import re
import shlex
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import Content, Fault
from tests.live import LiveServer

_SHIPPED = Path(__file__).parent.parent / "config" / "presets"
_TIMEOUT_S = 20


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Decode the body; the roadmap wants every answer of the API to be JSON."""
        assert self.headers["content-type"].startswith("application/json"), self.headers
        return json.loads(self.body)


def curl(command: str, server: LiveServer, **names: str) -> Answer:
    """Do what a line of the roadmap does."""
    method, url, headers, data = _parse(_filled(command, server, names))
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "User-Agent: curl/8.14.1", "Accept: */*", *headers]
    if data is not None:
        lines.append(f"Content-Length: {len(data.encode())}")
        if not any(header.lower().startswith("content-type:") for header in headers):
            lines.append("Content-Type: application/x-www-form-urlencoded")
    request = "\r\n".join([*lines, "", data or ""]).encode()
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=_TIMEOUT_S) as connection:
        connection.sendall(request)
        return _read_answer(connection, has_body=method != "HEAD")


def arguments(command: str, server: LiveServer, **names: str) -> list[str]:
    """Return the line as a program would get it."""
    return shlex.split(_filled(command, server, names))


@contextmanager
def wscat(command: str, server: LiveServer, **names: str) -> Iterator[ClientConnection]:
    """Open the WebSocket of a line of the roadmap."""
    words = arguments(command, server, **names)
    assert words[:2] == ["wscat", "-c"]
    with connect(words[2], open_timeout=_TIMEOUT_S, proxy=None) as connection:
        yield connection


def frames_until(
    connection: ClientConnection, is_last: Callable[[dict[str, Any]], object], timeout: float = 60
) -> list[dict[str, Any]]:
    """Read frames up to the one that *is_last* likes.

    Raises:
        TimeoutError: Nothing came for *timeout* seconds.
    """
    frames: list[dict[str, Any]] = []
    while True:
        frames.append(json.loads(connection.recv(timeout=timeout)))
        if is_last(frames[-1]):
            return frames


def shelve(
    folder: Path, hub: HuggingFaceHub, *preset_ids: str, size: int, faults: Sequence[Fault] = ()
) -> dict[str, Content]:
    """Write shipped presets into *folder* as a catalogue whose files are small, and put the files on *hub*.

    Ids, aliases, repositories and names are the real ones. Returns the contents by ``directory/name``.
    """
    contents: dict[str, Content] = {}
    for preset_id in preset_ids:
        [path] = _SHIPPED.glob(f"*/{preset_id}.json")
        document = json.loads(path.read_text("utf-8"))
        del document["$schema"]
        for file in document["files"]:
            content = Content.safetensors(size, seed=sum(file["name"].encode()))
            repo, name = _place(file["url"])
            hub.add(repo, name, content, faults=faults)
            for fact in ("size_bytes", "size_estimate_bytes", "sha256", "revision"):
                file.pop(fact, None)
            contents[f"{file['directory']}/{file['name']}"] = content
        target = folder / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(document), "utf-8")
    return contents


def _place(url: str) -> tuple[str, str]:
    found = re.fullmatch(r"https://huggingface\.co/([^/]+/[^/]+)/resolve/main/(.+)", url)
    assert found, url
    return found[1], found[2]


def _filled(command: str, server: LiveServer, names: dict[str, str]) -> str:
    text = command.replace("\\\n", " ").replace("localhost:8000", f"127.0.0.1:{server.port}")
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text.replace("$TOKEN", server.token) if "$TOKEN" in text else text


def _parse(command: str) -> tuple[str, str, list[str], str | None]:
    program, *words = shlex.split(command)
    assert program == "curl"
    method, url, data, headers = "", "", None, list[str]()
    options = iter(words)
    for word in options:
        match word:
            case "-X":
                method = next(options)
            case "-H":
                headers.append(next(options))
            case "-d":
                data = next(options)
            case _:
                url = word
    return method or ("GET" if data is None else "POST"), url, headers, data


def _read_answer(connection: socket.socket, *, has_body: bool) -> Answer:
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        headers: dict[str, str] = {}
        while line := stream.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0))) if has_body else b""
    return Answer(status, headers, body)
