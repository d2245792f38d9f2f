"""Files: results that are looked at, inputs that are uploaded, what the server keeps for its user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from tests.fakes.comfyui.canned import canned

if TYPE_CHECKING:
    from tests.fakes.comfyui.site import Site

_KINDS = ("input", "output", "temp")


class FileRoutes:
    """Handlers of one server."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def table(self) -> list[tuple[str, str, Any]]:
        return [
            ("GET", "/view", self.view), ("POST", "/upload/image", self.upload), ("POST", "/upload/mask", self.upload),
            ("GET", "/settings", self.settings), ("POST", "/settings", self.change_settings),
            ("GET", "/settings/{name}", self.setting), ("POST", "/settings/{name}", self.change_setting),
            ("GET", "/userdata", self.userdata), ("GET", "/userdata/{path:path}", self.read),
            ("POST", "/userdata/{path:path}", self.write), ("DELETE", "/userdata/{path:path}", self.delete),
            ("GET", "/users", self.users),
        ]  # fmt: skip

    async def view(self, request: Request) -> Response:
        query = request.query_params
        filename, kind = query.get("filename"), query.get("type", "output")
        if filename is None:
            return Response(status_code=404)
        if filename.startswith("/") or ".." in filename or kind not in _KINDS:
            return Response(status_code=400)
        folder = self._folder(kind, query.get("subfolder", ""))
        if folder is None:
            return Response(status_code=403)
        path = folder / Path(filename).name
        if not path.is_file():
            return Response(status_code=404)
        headers = {"Content-Disposition": f'filename="{path.name}"'}
        if "preview" in query:
            return Response(canned("animation.webp"), media_type="image/webp", headers=headers)
        return FileResponse(path, headers=headers)

    async def upload(self, request: Request) -> Response:
        if int(request.headers.get("content-length", 0)) > self._site.max_upload_bytes:
            message = f"Maximum request body size {self._site.max_upload_bytes} exceeded."
            return Response(message, 413, media_type="text/plain")
        async with request.form() as form:
            image, kind = form.get("image"), str(form.get("type", "input"))
            folder = self._folder(kind, str(form.get("subfolder", "")))
            if not isinstance(image, UploadFile) or not image.filename or folder is None:
                return Response(status_code=400)
            content = await image.read()
            is_mask = request.url.path.endswith("mask")
            if is_mask and not self._original(form.get("original_ref")):
                return Response(status_code=400)
            folder.mkdir(parents=True, exist_ok=True)
            name = image.filename.replace("/", "%2F")
            if form.get("overwrite") not in ("true", "1"):
                name = _free_name(folder, name, content)
            (folder / name).write_bytes(content)
            return JSONResponse({"name": name, "subfolder": str(form.get("subfolder", "")), "type": kind})

    def _original(self, reference: Any) -> bool:
        wanted = json.loads(str(reference or "{}"))
        folder = self._folder(wanted.get("type", "output"), wanted.get("subfolder", ""))
        return folder is not None and (folder / str(wanted.get("filename"))).is_file()

    def _folder(self, kind: str, subfolder: str) -> Path | None:
        root = (self._site.base / kind).absolute()
        folder = Path(*_resolved(root / subfolder))
        return folder if folder == root or root in folder.parents else None

    async def settings(self, _: Request) -> Response:
        return JSONResponse(self._site.settings)

    async def change_settings(self, request: Request) -> Response:
        self._site.settings.update(await request.json())
        return Response()

    async def setting(self, request: Request) -> Response:
        return JSONResponse(self._site.settings.get(request.path_params["name"]))

    async def change_setting(self, request: Request) -> Response:
        self._site.settings[request.path_params["name"]] = await request.json()
        return Response()

    async def users(self, _: Request) -> Response:
        return JSONResponse({"storage": "server", "migrated": False})

    async def userdata(self, request: Request) -> Response:
        folder = request.query_params["dir"]
        found = {path: content for path, content in self._site.userdata.items() if path.startswith(f"{folder}/")}
        if not found:
            return Response("Directory not found", 404, media_type="text/plain")
        names = {path.removeprefix(f"{folder}/"): content for path, content in sorted(found.items())}
        if request.query_params.get("full_info") == "true":
            return JSONResponse(
                [
                    {"path": n, "size": len(c), "modified": 1795177937.5, "created": 1795177937.5}
                    for n, c in names.items()
                ]
            )
        return JSONResponse(list(names))

    async def read(self, request: Request) -> Response:
        path = _path(request)
        if ".." in path:
            return Response(status_code=403)
        content = self._site.userdata.get(path)
        return Response(status_code=404) if content is None else Response(content, media_type="application/json")

    async def write(self, request: Request) -> Response:
        path, query = _path(request), request.query_params
        if ".." in path:
            return Response(status_code=403)
        if query.get("overwrite") == "false" and path in self._site.userdata:
            return Response("File already exists", 409, media_type="text/plain")
        self._site.userdata[path] = content = await request.body()
        if query.get("full_info") == "true":
            return JSONResponse({"path": path, "size": len(content), "modified": 1795177937.5, "created": 1795177937.5})
        return JSONResponse(path)

    async def delete(self, request: Request) -> Response:
        return Response(status_code=404 if self._site.userdata.pop(_path(request), None) is None else 204)


def _path(request: Request) -> str:
    return unquote(request.path_params["path"])


def _free_name(folder: Path, name: str, content: bytes) -> str:
    stem, ending, number = Path(name).stem, Path(name).suffix, 0
    while (folder / name).exists() and (folder / name).read_bytes() != content:
        number += 1
        name = f"{stem} ({number}){ending}"
    return name


def _resolved(path: Path) -> list[str]:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return parts
