"""ComfyUI's own HTTP and WebSocket surface at ``/comfyui``, with Hearth's sign-in, queue and results behind it.

Prompts become jobs; queue, history, interrupt and view are answered from them, each client's from its own. Everything else
is passed on to the first ComfyUI that answers, its web page included.
"""

from backend.compat.comfyui.presence import Presence

__all__ = ["Presence"]
