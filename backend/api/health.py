"""Liveness and readiness, the two questions that need no password."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from backend.bootstrap import Services
from backend.version import VERSION

router = APIRouter(prefix="/api", tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: str = Field(examples=["ok"])
    version: str = Field(examples=["0.1.0"])


class Readiness(BaseModel):
    """Each part that must work before requests make sense."""

    ready: bool
    checks: dict[str, str] = Field(examples=[{"database": "ok", "workspace": "ok", "downloads": "ok"}])


@router.get("/health", summary="Is the process alive?")
async def health() -> Health:
    """Answer at once, without touching anything; for liveness probes."""
    return Health(status="ok", version=VERSION)


@router.get("/ready", summary="Can it do its work?", responses={503: {"model": Readiness}})
async def ready(request: Request, response: Response) -> Readiness:
    """Check database, workspace and the download service; 503 names what is missing."""
    services: Services = request.state.services
    checks = await services.readiness()
    is_ready = all(state == "ok" for state in checks.values())
    response.status_code = 200 if is_ready else 503
    return Readiness(ready=is_ready, checks=checks)
