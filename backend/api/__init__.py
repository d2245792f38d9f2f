"""JSON: parse, call one service, shape. Each file serves one feature; ``router`` holds them all."""

from fastapi import APIRouter

from backend.api import auth, documentation, downloads, health, presets, settings, system, tokens

router = APIRouter()
for part in (health, auth, presets, downloads, settings, system, tokens, documentation):
    router.include_router(part.router)

__all__ = ["router"]
