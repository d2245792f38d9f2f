"""Other people's protocols on the same services: whoever speaks one of them gets a job like any other.

Each package serves one protocol, and is loaded when somebody first speaks it; what they share lies beside them:
:mod:`~backend.compat.door` (sign-in before the body, errors in the protocol's shape), :mod:`~backend.compat.desk` (the only
place that knows Hearth's own parts) and :mod:`~backend.compat.run` (waiting for a job on behalf of one long request).
"""

from backend.compat.comfyui import Presence

PARTS = {
    "backend.compat.comfyui.routes": ("/comfyui",),
    "backend.compat.openai.images": ("/v1/images",),
    "backend.compat.openai.models": ("/v1/models",),
    "backend.compat.sdapi.images": ("/sdapi/v1",),
    "backend.compat.sdapi.lists": ("/sdapi/v1",),
}

__all__ = ["PARTS", "Presence"]
