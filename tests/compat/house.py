"""A Hearth that listens on a port of this process, in front of a simulated ComfyUI, so that real clients can be pointed at it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from backend.cli.status_line import SpeakingProtocol
from tests.fakes.comfyui import SimulatedComfyUI
from tests.live import free_port
from tests.secret_watch import watch

CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
OTHER_CHECKPOINT = "sub/dreamshaper_8.safetensors"
_DEADLINE_S = 60


class House:
    """Both servers, and the keys of two people."""

    def __init__(self, app: FastAPI, workspace: Path, comfyui: SimulatedComfyUI, password: str) -> None:
        self.workspace = workspace
        self.comfyui = comfyui
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._password = password
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, http=SpeakingProtocol, log_config=None)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="house", daemon=True)

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + _DEADLINE_S
        while not self._server.started and time.monotonic() < deadline:
            assert self._thread.is_alive(), "the server ended at once"
            time.sleep(0.01)
        signed_in = httpx2.post(f"{self.url}/api/auth/login", json={"password": self._password}, timeout=20).json()
        self.token = watch("session token", signed_in["access_token"])
        self.key = self.new_key("generate")
        self.wait_for(self._knows_nodes)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=30)

    def new_key(self, scope: str, **more: Any) -> str:
        """Make an API key."""
        body = {"name": scope, "scope": scope, **more}
        answer = httpx2.post(f"{self.url}/api/auth/keys", json=body, headers=bearer(self.token), timeout=20)
        return watch("API key", answer.json()["key"])

    def client(self, key: str | None = None, **options: Any) -> httpx2.Client:
        """Return a plain client with a key."""
        headers = bearer(key or self.key)
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60, **options)

    def _knows_nodes(self) -> bool:
        answer = httpx2.get(f"{self.url}/v1/models", headers=bearer(self.token), timeout=20)
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200

    def wait_for(self, condition: Any, timeout_s: float = 20) -> None:
        """Wait until *condition* holds."""
        self.comfyui.wait_for(condition, timeout_s)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@contextlib.contextmanager
def open_house(
    make_app: Callable[..., FastAPI], workspace: Path, password: str, workflows: dict[str, Any]
) -> Iterator[House]:
    """Run both servers for as long as the block lasts; *workflows* are what its people have in their library."""
    base = workspace / "ComfyUI-simulated"
    _put_models(base)
    library = workspace / "workflows"
    library.mkdir()
    for name, graph in workflows.items():
        (library / f"{name}.json").write_text(json.dumps(graph))
    with SimulatedComfyUI(base) as comfyui:
        app = make_app(comfyui_url=(comfyui.url,), max_queue_depth_per_user=3)
        house = House(app, workspace, comfyui, password)
        house.start()
        try:
            yield house
        finally:
            house.stop()


def _put_models(base: Path) -> None:
    for name in (CHECKPOINT, OTHER_CHECKPOINT):
        path = base / "models" / "checkpoints" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0" * 64)
