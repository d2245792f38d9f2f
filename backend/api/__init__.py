"""JSON: parse, call one service, shape. Each file serves one feature; ``ROUTES`` holds them all.

Their paths are complete, so the application takes them as they are: including a router would build each of its routes
a second time, which is a tenth of the whole start.
"""

from backend.api import (
    auth,
    documentation,
    downloads,
    gallery,
    generations,
    health,
    presets,
    settings,
    system,
    tokens,
    workflow_files,
    workflows,
)

_PARTS = (
    health, auth, presets, downloads, generations, workflows, workflow_files, gallery, settings, system, tokens,
    documentation,
)  # fmt: skip
ROUTES = tuple(route for part in _PARTS for route in part.router.routes)

__all__ = ["ROUTES"]
