"""A simulated ComfyUI 0.3.64: it sees model files as the real one does, and generates nothing.

It reads ``extra_model_paths.yaml`` by ComfyUI's rules and lists what lies in the folders, so that tests and the demo can
show that a download has arrived where ComfyUI looks. ``tests/contracts/test_comfyui.py`` holds its answers to a recording
of the real server.

    with SimulatedComfyUI(workspace / "ComfyUI") as comfyui:
        httpx2.get(comfyui.url + "/models/checkpoints").json()
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.live import free_port

_WEIGHTS = frozenset({".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"})
_FOLDERS: dict[str, tuple[str, ...]] = {
    "checkpoints": ("checkpoints",), "configs": ("configs",), "loras": ("loras",), "vae": ("vae",),
    "text_encoders": ("text_encoders", "clip"), "diffusion_models": ("unet", "diffusion_models"),
    "clip_vision": ("clip_vision",), "style_models": ("style_models",), "embeddings": ("embeddings",),
    "diffusers": ("diffusers",), "vae_approx": ("vae_approx",), "controlnet": ("controlnet", "t2i_adapter"),
    "gligen": ("gligen",), "upscale_models": ("upscale_models",), "custom_nodes": (), "hypernetworks": ("hypernetworks",),
    "photomaker": ("photomaker",), "classifiers": ("classifiers",), "model_patches": ("model_patches",),
    "audio_encoders": ("audio_encoders",),
}  # fmt: skip
_OLD_NAMES = {"unet": "diffusion_models", "clip": "text_encoders"}
_HIDDEN = frozenset({"configs", "custom_nodes"})  # /experiment/models leaves these out


class SimulatedComfyUI:
    """Serve on a free loopback port for as long as the context lasts.

    Args:
        base: Folder that holds ``models/`` and perhaps ``extra_model_paths.yaml``, as ComfyUI's own folder does.
    """

    def __init__(self, base: Path, port: int | None = None) -> None:
        self.base = base
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(_app(self), host="127.0.0.1", port=self.port, log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="simulated-comfyui", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)

    def folders(self) -> dict[str, list[Path]]:
        """Return the search path of every category: its own folders first, then those of the configuration."""
        found = {name: [self.base / "models" / each for each in own] for name, own in _FOLDERS.items()}
        path = self.base / "extra_model_paths.yaml"
        sections = yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}
        for section in sections.values():
            _add_section(found, dict(section), path.parent)
        return found

    def files(self, category: str) -> list[tuple[Path, Path]]:
        """List (search folder, file) of a category; the first of equal names wins."""
        seen: dict[str, tuple[Path, Path]] = {}
        for folder in self.folders()[category]:
            for path in _walk(folder):
                if category not in ("configs", "diffusers", "classifiers") and path.suffix.lower() not in _WEIGHTS:
                    continue
                seen.setdefault(path.relative_to(folder).as_posix(), (folder, path))
        return [seen[name] for name in sorted(seen)]


def _add_section(found: dict[str, list[Path]], section: dict[str, str], beside: Path) -> None:
    base = section.pop("base_path", None)
    is_default = bool(section.pop("is_default", False))
    root = beside / os.path.expandvars(os.path.expanduser(base)) if base else beside
    for category, paths in section.items():
        for line in str(paths).split("\n"):
            if line:
                folders = found.setdefault(_OLD_NAMES.get(category, category), [])
                path = root / line
                if path in folders:
                    folders.remove(path)
                folders.insert(0 if is_default else len(folders), path)


def _walk(folder: Path) -> list[Path]:
    return [
        Path(where) / name for where, _, names in os.walk(folder, followlinks=True) for name in names
        if not name.startswith(".")
    ]  # fmt: skip


def _app(comfyui: SimulatedComfyUI) -> Starlette:
    async def system_stats(_request: Request) -> Response:
        system = {
            "os": "posix",
            "comfyui_version": "0.3.64",
            "embedded_python": False,
            "argv": ["main.py", "--simulated"],
        }
        device = {"name": "cpu", "type": "cpu", "index": None, "vram_total": 0, "vram_free": 0,
                  "torch_vram_total": 0, "torch_vram_free": 0}  # fmt: skip
        return JSONResponse({"system": system, "devices": [device]})

    async def features(_request: Request) -> Response:
        return JSONResponse({"supports_preview_metadata": True, "max_upload_size": 104857600})

    async def prompt(_request: Request) -> Response:
        return JSONResponse({"exec_info": {"queue_remaining": 0}})

    async def queue(_request: Request) -> Response:
        return JSONResponse({"queue_running": [], "queue_pending": []})

    async def history(_request: Request) -> Response:
        return JSONResponse({})

    async def models(_request: Request) -> Response:
        return JSONResponse(list(_FOLDERS))

    async def category(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _FOLDERS:
            return Response(status_code=404)
        return JSONResponse([path.relative_to(folder).as_posix() for folder, path in comfyui.files(name)])

    async def experiment(_request: Request) -> Response:
        found = comfyui.folders()
        names = [name for name in found if name not in _HIDDEN]
        return JSONResponse([{"name": name, "folders": [str(each) for each in found[name]]} for name in names])

    async def experiment_category(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _FOLDERS:
            return Response(status_code=404)
        folders = comfyui.folders()[name]
        return JSONResponse([_described(folders.index(folder), folder, path) for folder, path in comfyui.files(name)])

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        sid = websocket.query_params.get("clientId", "")
        status = {"status": {"exec_info": {"queue_remaining": 0}}, "sid": sid}
        await websocket.send_json({"type": "status", "data": status})
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            return

    routes = [
        ("/system_stats", system_stats), ("/features", features), ("/prompt", prompt), ("/queue", queue),
        ("/history", history), ("/history/{prompt_id}", history), ("/models", models), ("/models/{name}", category),
        ("/experiment/models", experiment), ("/experiment/models/{name}", experiment_category),
    ]  # fmt: skip
    table = [Route(prefix + path, handler) for path, handler in routes for prefix in ("", "/api")]
    return Starlette(routes=[*table, WebSocketRoute("/ws", socket)])


def _described(index: int, folder: Path, path: Path) -> dict[str, Any]:
    stat = path.stat()
    name = path.relative_to(folder).as_posix()
    return {
        "name": name, "pathIndex": index, "modified": stat.st_mtime, "created": stat.st_ctime, "size": stat.st_size,
    }  # fmt: skip
