"""ComfyUI's own HTTP and WebSocket surface at ``/comfyui``, with Hearth's sign-in, queue and results behind it.

Prompts become jobs; queue, history, interrupt and view are answered from them, each client's from its own. Everything else
is passed on to the first ComfyUI that answers, its web page included.
"""

from starlette.routing import Route, WebSocketRoute

from backend.compat.comfyui.address import PREFIX
from backend.compat.comfyui.entry import Entry
from backend.compat.comfyui.presence import Presence
from backend.compat.comfyui.socket import serve

ROUTES = (
    Route(PREFIX, Entry(), include_in_schema=False),
    Route(f"{PREFIX}/{{path:path}}", Entry(), include_in_schema=False),
    WebSocketRoute(PREFIX + "/{path:path}", serve),
)

__all__ = ["ROUTES", "Presence"]
