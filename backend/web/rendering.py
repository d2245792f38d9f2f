"""Turn a context into HTML: the whole page for a browser, title and main part for htmx, from the same template."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from backend.auth import Identity
from backend.bootstrap import Services
from backend.presets import CATEGORY_NAMES
from backend.version import VERSION
from backend.web import words
from backend.web.assets import FRONT_END, Assets, icon_names
from backend.web.contexts import Context, Frame, NavItem, fields_of
from backend.web.filters import FILTERS

if TYPE_CHECKING:
    import jinja2

TEMPLATES = FRONT_END / "templates"
THEME_COOKIE = "hearth_theme"
THEMES = ("dark", "light", "high-contrast", "system")
_PAGE, _PART, _BARE = "layout.html", "layout_fragment.html", "layout_bare.html"
_HEADERS = {"Cache-Control": "no-store", "Vary": "HX-Request, HX-Request-Type, HX-Target, Cookie"}


@dataclass(frozen=True, slots=True)
class Face:
    """The compiled templates."""

    environment: jinja2.Environment

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Fill in *template*; runs for milliseconds."""
        return self.environment.get_template(template).render(values)


def build_environment(assets: Assets, icons: frozenset[str]) -> jinja2.Environment:
    """Compile every template; blocking.

    A name that no context offers, or an icon that the sprite lacks, is an error instead of a gap on the page.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )

    def icon_url(name: str) -> str:
        if name not in icons:
            raise KeyError(f"the icon {name!r} is not in frontend/static/icons/icons.json")
        return f"{sprite}#i-{name}"

    sprite = assets.url("icons.svg")
    names: dict[str, Any] = {
        "asset": assets.url,
        "icon_url": icon_url,
        "brand": "Hearth",
        "job_look": words.job_look,
        "preset_look": words.preset_look,
        "file_look": words.file_look,
        "generation_look": words.generation_look,
        "service_look": words.service_look,
        "startup_look": words.startup_look,
        "category_names": CATEGORY_NAMES,
        "status_filters": words.STATUS_FILTERS,
        "sorts": words.SORTS,
    }
    environment.filters.update(FILTERS)
    environment.globals.update(names)
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)
    return environment


@cache
def load_face() -> Face:
    """Read and compile everything once per process; blocking.

    Raises:
        FrontEndMissing: The front end has not been built.
    """
    return Face(build_environment(Assets.load(), icon_names()))


def wants_part(request: Request) -> bool:
    """Tell whether htmx asks for the main part alone; going back in the history asks for the whole page."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and headers.get("HX-Request-Type", "partial") == "partial"


def is_for(request: Request, element_id: str) -> bool:
    """Tell whether htmx will put the answer into the element of this id."""
    return wants_part(request) and request.headers.get("HX-Target", "").partition("#")[2] == element_id


async def render(
    request: Request, services: Services, who: Identity, context: Context, *, status: int = 200
) -> HTMLResponse:
    """Answer with a page inside its frame, or with a part as it is."""
    if context.is_part:
        return await _respond(context, fields_of(context), status)
    frame = _frame(request, services, context, layout=_PART if wants_part(request) else _PAGE, who=who)
    return await _respond(context, {**fields_of(frame), **fields_of(context)}, status)


async def render_bare(
    request: Request,
    services: Services,
    context: Context,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Answer with a page for anybody: no navigation, no numbers."""
    frame = _frame(request, services, context, layout=_BARE, who=None)
    return await _respond(context, {**fields_of(frame), **fields_of(context)}, status, headers)


async def render_template(template: str, values: Mapping[str, Any]) -> str:
    """Fill in a template that has no context of its own, such as a toast."""
    face = await asyncio.to_thread(load_face)
    return face.render(template, values)


def frame_of(request: Request, services: Services, who: Identity, current: str) -> dict[str, Any]:
    """Return the values of the frame, for its components."""
    frame = _frame(request, services, Context(), layout=_PART, who=who)
    return {**fields_of(frame), "current": current}


def theme_choice(request: Request, services: Services) -> str:
    """Return what the visitor chose, else what the settings say."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else str(services.preferences.get("dashboard_theme"))


async def _respond(
    context: Context, values: Mapping[str, Any], status: int, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    face = await asyncio.to_thread(load_face)
    html = await asyncio.to_thread(face.render, context.template, values)
    return HTMLResponse(html, status_code=status, headers={**_HEADERS, **(headers or {})})


def _frame(request: Request, services: Services, context: Context, *, layout: str, who: Identity | None) -> Frame:
    choice = theme_choice(request, services)
    return Frame(
        layout=layout,
        current=context.nav,
        theme="dark" if choice == "system" else choice,
        theme_choice=choice,
        navigation=_navigation(services) if who else (),
        queue=services.downloads.totals() if who else None,
        who=who.name if who else "",
        is_demo=services.settings.demo,
        version=VERSION,
    )


def _navigation(services: Services) -> tuple[NavItem, ...]:
    presets = (NavItem("presets", "/presets", "Presets", "package"),) if services.settings.enable_preset_manager else ()
    return (
        NavItem("generate", "/generate", "Generate", "wand-sparkles"),
        NavItem("gallery", "/gallery", "Gallery", "images"),
        *presets,
        NavItem("downloads", "/downloads", "Downloads", "download"),
        NavItem("services", "/services", "Services", "server"),
        NavItem("settings", "/settings", "Settings", "settings"),
    )
