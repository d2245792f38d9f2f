"""A client as ComfyUI's own script examples write it: urllib for requests, one socket for what happens."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.parse
import urllib.request
import uuid
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

from tests.contracts.comfyui_replay import decoded

_TIMEOUT_S = 30


class Speaker:
    """One user at one door; *base* ends with ``/comfyui``."""

    def __init__(self, base: str, key: str, client_id: str | None = None) -> None:
        self.base = base
        self.client_id = client_id or str(uuid.uuid4())
        self.headers = {"Authorization": f"Bearer {key}"}
        self.frames: list[dict[str, Any]] = []
        self._socket: ClientConnection | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        address = f"{self.base.replace('http', 'ws', 1)}/ws?clientId={self.client_id}"
        opening = connect(address, additional_headers=self.headers, compression=None, proxy=None, max_size=None)
        self._socket = self._open.enter_context(opening)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        self._open.close()

    def crash(self) -> None:
        """Go without a word, as a program that is killed."""
        assert self._socket is not None
        self._socket.socket.shutdown(socket.SHUT_RDWR)

    def say(self, message: dict[str, Any]) -> None:
        assert self._socket is not None
        self._socket.send(json.dumps(message))

    def ask(self, path: str, body: Any = None, *, method: str | None = None, **headers: str) -> tuple[int, bytes]:
        """Return status and body of an answer."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}{path}", data, {**self.headers, **headers}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def json(self, path: str, body: Any = None) -> Any:
        status, content = self.ask(path, body)
        assert status == 200, (status, content)
        return json.loads(content) if content else None

    def queue_prompt(self, graph: dict[str, Any], **more: Any) -> str:
        return self.json("/prompt", {"prompt": graph, "client_id": self.client_id, **more})["prompt_id"]

    def next(self, timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
        """Return the next frame, decoded."""
        assert self._socket is not None
        frame = decoded(self._socket.recv(timeout_s))
        self.frames.append(frame)
        return frame

    def until(self, kind: str) -> dict[str, Any]:
        """Read on until a frame of *kind*."""
        while (frame := self.next())["type"] != kind:
            pass
        return frame

    def until_over(self, prompt_id: str) -> None:
        """Read on as the examples do: until ``executing`` of our prompt has no node."""
        while True:
            frame = self.next()
            is_ours = frame["type"] == "executing" and frame["data"].get("prompt_id") == prompt_id
            if is_ours and frame["data"]["node"] is None:
                return

    def silence(self, timeout_s: float = 0.3) -> list[dict[str, Any]]:
        """Return what comes within a while."""
        heard: list[dict[str, Any]] = []
        try:
            while True:
                heard.append(self.next(timeout_s))
        except TimeoutError:
            return heard

    def images(self, prompt_id: str) -> dict[str, list[bytes]]:
        """Fetch every image of the history record."""
        record = self.json(f"/history/{prompt_id}")[prompt_id]
        return {
            node: [self.view(image) for image in output["images"]]
            for node, output in record["outputs"].items()
            if "images" in output
        }

    def view(self, file: dict[str, str]) -> bytes:
        status, content = self.ask("/view?" + urllib.parse.urlencode(file))
        assert status == 200, (status, content[:300])
        return content
