"""Where ComfyUI's surface begins."""

from __future__ import annotations

from starlette.routing import Route, Router, WebSocketRoute

from backend.compat.comfyui.address import PREFIX
from backend.compat.comfyui.entry import Entry
from backend.compat.comfyui.socket import serve

router = Router(
    (
        Route(PREFIX, Entry(), include_in_schema=False),
        Route(f"{PREFIX}/{{path:path}}", Entry(), include_in_schema=False),
        WebSocketRoute(PREFIX + "/{path:path}", serve),
    )
)
