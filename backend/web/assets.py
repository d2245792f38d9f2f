"""What the browser loads beside pages: files whose names carry a hash of their content, so they may be kept for ever."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from backend.web.errors import FrontEndMissing

FRONT_END = Path(__file__).parents[2] / "frontend"
DIST = FRONT_END / "static" / "dist"
STATIC_URL = "/static"
_MANIFEST = "manifest.json"
_PACKED = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"  # RFC 8246


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


class ImmutableFiles(StaticFiles):
    """Serve the built files; those with a hash in their name are never asked for again.

    Text was compressed by the build, as well as it can be; the compressed twin is sent to whoever reads it.
    """

    def __init__(self) -> None:
        super().__init__(directory=DIST, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with the file."""
        packed = Path(path).suffix in _PACKED and "gzip" in Headers(scope=scope).get("Accept-Encoding", "")
        try:
            response = await super().get_response(f"{path}.gz" if packed else path, scope)
        except HTTPException:
            if not packed:
                raise
            packed = False
            response = await super().get_response(path, scope)
        if packed and response.status_code == 200:
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Content-Type"] = _PACKED[Path(path).suffix]
        if response.status_code in (200, 304):
            response.headers["Cache-Control"] = "no-cache" if path == _MANIFEST else _FOR_EVER
            response.headers["Vary"] = "Accept-Encoding"
        return response


def icon_names() -> frozenset[str]:
    """Return the icons that the sprite holds; blocking."""
    names: list[str] = json.loads((FRONT_END / "static" / "icons" / "icons.json").read_bytes())
    return frozenset(names)
