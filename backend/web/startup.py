"""How the start goes, as a page that needs nothing beside itself: it also stands at ComfyUI's address until ComfyUI does.

A proxy that cannot reach ComfyUI asks for ``/startup?for=comfyui`` and hands on the answer, 503 with ``Retry-After``. The
page asks its own address again every second; once ComfyUI answers there, the browser simply gets ComfyUI.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from backend.bootstrap import ComfyUIState, Services, StartupReport
from backend.downloads import DownloadJob
from backend.errors import JSON
from backend.web.assets import FRONT_END
from backend.web.identity import ServicesDep, Visitor
from backend.web.rendering import render_template, theme_choice
from backend.web.service_contexts import PhaseLine, StartupPage

router = APIRouter(include_in_schema=False)

_STYLES = ("tokens.css", "themes/dark.css", "themes/light.css", "themes/high-contrast.css", "startup.css")
_LOG_LINES = 14
_MOST_DOWNLOADS = 8
_RETRY_S = "1"


@router.get("/startup")
async def show_startup(request: Request, services: ServicesDep, _who: Visitor) -> Response:
    """Show phases with milliseconds, the end of ComfyUI's log, and downloads."""
    is_stand_in = request.query_params.get("for") == "comfyui"
    report = await services.startup.report(log_lines=_LOG_LINES)
    if is_stand_in and "text/html" not in request.headers.get("Accept", ""):
        return JSONResponse(_error(report), 503, headers={"Retry-After": _RETRY_S})
    inlined = await asyncio.to_thread(_inlined)
    context = StartupPage(
        report=report,
        lines=_lines(report),
        downloads=await _downloads(services),
        is_stand_in=is_stand_in,
        theme=theme_choice(request, services),
        style=inlined.style,
        script=inlined.script,
    )
    html = await render_template(context.template, _values(context))
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": inlined.policy}
    if is_stand_in:
        headers["Retry-After"] = _RETRY_S
    return HTMLResponse(html, 503 if is_stand_in else 200, headers)


@dataclass(frozen=True, slots=True)
class _Inlined:
    style: str
    script: str
    policy: str


@cache
def _inlined() -> _Inlined:
    """Read what the page brings along, and the policy that lets just that in (CSP 3, section 2.3.1); blocking."""
    folder = FRONT_END / "static"
    style = "".join((folder / "css" / name).read_text("utf-8") for name in _STYLES)
    script = (folder / "js" / "startup.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    return _Inlined(style, script, policy)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _lines(report: StartupReport) -> list[PhaseLine]:
    return [PhaseLine(phase, report.after_ms(phase)) for phase in report.phases]


async def _downloads(services: Services) -> Sequence[DownloadJob]:
    return (await services.downloads.list(active=True, limit=_MOST_DOWNLOADS)).items


def _values(context: StartupPage) -> dict[str, Any]:
    return {name: getattr(context, name) for name in StartupPage.__dataclass_fields__}


def _error(report: StartupReport) -> dict[str, JSON]:
    """Say to a program why ComfyUI does not answer it."""
    code = "comfyui_starting" if report.state in (ComfyUIState.STARTING, ComfyUIState.READY) else "comfyui_unavailable"
    return {
        "error": {
            "code": code,
            "message": report.message,
            "hint": "Try again in a second; GET /api/startup tells more.",
        }
    }
