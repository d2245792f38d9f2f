"""JSON: parse, call one service, shape. Each file serves one feature and is loaded when somebody first asks for it.

Their paths are complete, so the application takes them as they are: including a router would build each of its routes
a second time.
"""

from backend.api import documentation, health

ROUTES = (*health.router.routes, *documentation.router.routes)
PARTS = {
    "backend.api.auth": ("/api/auth",),
    "backend.api.presets": ("/api/presets",),
    "backend.api.downloads": ("/api/downloads",),
    "backend.api.generations": ("/api/generations", "/api/backends"),
    "backend.api.workflows": ("/api/workflows", "/api/trash/workflows"),
    "backend.api.workflow_files": ("/api/workflows",),
    "backend.api.gallery": ("/api/gallery",),
    "backend.api.settings": ("/api/settings",),
    "backend.api.services": ("/api/system/services",),
    "backend.api.startup": ("/api/startup",),
    "backend.api.system": ("/api/system", "/api/paths"),
    "backend.api.tokens": ("/api/tokens",),
}

__all__ = ["PARTS", "ROUTES"]
