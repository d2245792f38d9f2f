"""How forms are answered: htmx gets events and a toast, a browser without scripts is sent on to a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from backend.web.rendering import render_template

DOWNLOADS_CHANGED = "hearth:downloads"
PRESETS_CHANGED = "hearth:presets"
SERVICES_CHANGED = "hearth:services"
CLOSE_DIALOG = "hearth:close-dialog"
UNTICK = "hearth:untick"


@dataclass(frozen=True, slots=True)
class Toast:
    """A short notice; ``undo_url`` takes the action back."""

    text: str
    tone: str = "success"
    icon: str = "circle-check"
    detail: str = ""
    undo_url: str = ""


def preset_changed(preset_id: str) -> str:
    """Name the event that makes rows and pages of a preset ask for themselves again."""
    return f"hearth:preset-{preset_id}"


def is_htmx(request: Request) -> bool:
    """Tell whether htmx sent the request."""
    return request.headers.get("HX-Request") == "true"


async def done(request: Request, *, to: str, events: Sequence[str] = (), toast: Toast | None = None) -> Response:
    """Answer an action that succeeded.

    Args:
        to: Page for a browser without scripts.
        events: What changed; those who show it listen for them.
    """
    if not is_htmx(request):
        return RedirectResponse(to, status_code=303)
    headers = {"HX-Trigger": ", ".join(events), "HX-Push-Url": "false"} if events else {"HX-Push-Url": "false"}
    if toast is None:
        return Response(status_code=204, headers=headers)
    return HTMLResponse(await toast_html(toast), headers=headers)


async def toast_html(toast: Toast) -> str:
    """Render a toast that htmx puts beside the others, whatever the request was aimed at."""
    return await render_template("components/toast.html", {"toast": toast})
