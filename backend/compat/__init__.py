"""Other people's protocols on the same services: whoever speaks one of them gets a job like any other.

Each package serves one protocol and holds its ``ROUTES``; what they share lies beside them: :mod:`~backend.compat.door`
(sign-in before the body, errors in the protocol's shape), :mod:`~backend.compat.desk` (the only place that knows Hearth's
own parts) and :mod:`~backend.compat.run` (waiting for a job on behalf of one long request).
"""

from backend.compat import comfyui, openai, sdapi
from backend.compat.comfyui import Presence

ROUTES = (*comfyui.ROUTES, *openai.ROUTES, *sdapi.ROUTES)

__all__ = ["ROUTES", "Presence"]
