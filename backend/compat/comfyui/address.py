"""What a request asks for: its path as ComfyUI would read it, and who may ask for that.

What is not listed here needs the scope ``manage``: custom nodes add routes, and some act on a GET.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlencode

from backend.auth import Scope

PREFIX = "/comfyui"

_SLASHES = re.compile(r"/{2,}")
# These exist under /api only; everything else has both names.
_ONLY_API = ("/api/jobs", "/api/assets", "/api/tags", "/api/tasks", "/api/workflow_templates")
# A model's preview is any picture on the server's disk (0.3.64 to 0.26), the rest is the server's log and folders.
_CLOSED = ("/internal", "/experiment/models/preview")
_STATIC = re.compile(r"/[\w.-]+\.(?:js|mjs|css|html|ico|svg|png|webp|json|txt|woff2?|webmanifest|map)", re.ASCII)
_READ = frozenset(
    {
        "/", "/ws", "/prompt", "/queue", "/history", "/view", "/object_info", "/system_stats", "/features", "/models",
        "/embeddings", "/extensions", "/i18n", "/users", "/workflow_templates", "/global_subgraphs",
        "/node_replacements", "/experiment/models", "/api/jobs",
    }
)  # fmt: skip
_READ_BELOW = (
    "/history/", "/object_info/", "/models/", "/experiment/models/", "/view_metadata/", "/extensions/", "/templates/",
    "/docs/", "/assets/", "/scripts/", "/fonts/", "/cursor/", "/i18n/", "/workflow_templates/",
    "/api/workflow_templates/", "/global_subgraphs/", "/api/jobs/",
)  # fmt: skip
_STATIC_BELOW = ("/extensions/", "/assets/", "/scripts/", "/fonts/", "/cursor/", "/templates/", "/docs/")
_ACTS = frozenset({"/prompt", "/queue", "/history", "/interrupt", "/upload/image", "/upload/mask", "/api/jobs/cancel"})
_CANCELS = re.compile(r"/api/jobs/[^/]+/cancel")
_PERSONAL = ("/settings", "/userdata", "/v2/userdata")


@dataclass(frozen=True, slots=True)
class Address:
    """An address below /comfyui.

    Args:
        path: Decoded, with single slashes, without the ``/api`` of a twin.
        target: Path and query as ComfyUI is asked, encoded as they came; without our token.
    """

    path: str
    target: str

    @classmethod
    def of(cls, raw_path: bytes, query: bytes) -> Address:
        """Read the address of a request."""
        raw = _SLASHES.sub("/", raw_path.decode("latin-1")).removeprefix(PREFIX) or "/"
        path = _SLASHES.sub("/", unquote(raw))
        if path.startswith("/api/") and not path.startswith(_ONLY_API):
            path = path.removeprefix("/api")
        kept = [part for part in query.decode("latin-1").split("&") if part and not part.startswith("token=")]
        return cls(path, f"{raw}?{'&'.join(kept)}" if kept else raw)

    @property
    def is_static(self) -> bool:
        """Whether it is a file of the web page."""
        return self.path == "/" or _STATIC.fullmatch(self.path) is not None or self.path.startswith(_STATIC_BELOW)

    @property
    def is_closed(self) -> bool:
        """Whether nobody may ask for it."""
        parts = self.path.split("/")
        return ".." in parts or "\\" in self.path or any(_is_below(self.path, each) for each in _CLOSED)

    def scope(self, method: str) -> Scope:
        """Return what is needed to send *method* there."""
        if method in ("GET", "HEAD"):
            if self.path in _READ or self.path.startswith(_READ_BELOW) or self.is_static:
                return Scope.READ
            return Scope.GENERATE if any(_is_below(self.path, each) for each in _PERSONAL) else Scope.MANAGE
        if method == "POST" and (self.path in _ACTS or _CANCELS.fullmatch(self.path)):
            return Scope.GENERATE
        return Scope.MANAGE


def view_target(filename: str, subfolder: str, folder: str, more: dict[str, str]) -> str:
    """Return where ComfyUI serves a file of one of its folders."""
    return "/view?" + urlencode({"filename": filename, "subfolder": subfolder, "type": folder, **more})


def _is_below(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")
