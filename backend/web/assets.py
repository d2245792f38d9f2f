"""What the browser loads beside pages: files whose names carry a hash of their content, so they may be kept for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from backend.web.errors import FrontEndMissing

FRONT_END = Path(__file__).parents[2] / "frontend"
DIST = FRONT_END / "static" / "dist"
STATIC_URL = "/static"
_MANIFEST = "manifest.json"
_FOR_EVER = "public, max-age=31536000, immutable"  # RFC 8246
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}

router = APIRouter(include_in_schema=False)


class Assets:
    """Translate a name such as ``css/styles.css`` to the address of its present content."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    @classmethod
    def load(cls) -> Assets:
        """Read the manifest that the build wrote; blocking.

        Raises:
            FrontEndMissing: The front end has not been built.
        """
        try:
            names: dict[str, str] = json.loads((DIST / _MANIFEST).read_bytes())
        except (OSError, ValueError):
            raise FrontEndMissing("The front end of Hearth has not been built.") from None
        return cls(names)

    def url(self, name: str) -> str:
        """Return the address of *name*.

        Raises:
            KeyError: The build publishes no such file.
        """
        return f"{STATIC_URL}/{self._names[name]}"


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    packed: bytes | None
    kind: str


@cache
def _files() -> Mapping[str, _File]:
    """Read what was built, half a megabyte in all; blocking, once per process."""
    found: dict[str, _File] = {}
    for path in DIST.iterdir() if DIST.is_dir() else ():
        if path.suffix in _TYPES:
            packed = path.with_name(f"{path.name}.gz")
            twin = packed.read_bytes() if packed.exists() else None
            found[path.name] = _File(path.read_bytes(), twin, _TYPES[path.suffix])
    return found


@router.get(STATIC_URL + "/{name:path}")
async def serve_file(request: Request, name: str) -> Response:
    """Answer with a built file from memory; text was compressed by the build, as well as it can be."""
    file = (await asyncio.to_thread(_files)).get(name)
    if file is None:
        raise HTTPException(404)
    headers = {
        "Cache-Control": "no-cache" if name == _MANIFEST else _FOR_EVER,
        "Content-Type": file.kind,
        "Vary": "Accept-Encoding",
    }
    if file.packed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
        return Response(file.packed, headers={**headers, "Content-Encoding": "gzip"})
    return Response(file.content, headers=headers)


def icon_names() -> frozenset[str]:
    """Return the icons that the sprite holds; blocking."""
    names: list[str] = json.loads((FRONT_END / "static" / "icons" / "icons.json").read_bytes())
    return frozenset(names)
