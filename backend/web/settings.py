"""Settings as a page: downloads, looks, tokens of hosts, access, and what Hearth finds out about itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from backend.auth import Identity, Scope
from backend.bootstrap import Services
from backend.errors import JSON, HearthError
from backend.generation.workflows.service import WorkflowQuery
from backend.system import PreferenceView
from backend.web.contexts import ImageWorkflow, PreferenceLine, SettingsPage, TokenLine
from backend.web.errors import InvalidForm
from backend.web.identity import Keeper, ServicesDep, Visitor
from backend.web.rendering import render
from backend.web.words import TOKEN_HOSTS, hint_for_people

router = APIRouter(prefix="/settings", include_in_schema=False)

_KEY_NAME_LENGTH = 60
_MOST_WORKFLOWS = 2000


@dataclass(frozen=True, slots=True)
class _Field:
    """How a stored number is shown: in *factor* of its own unit."""

    label: str
    unit: str
    factor: int


_FIELDS: Mapping[str, _Field] = {
    "max_parallel_downloads": _Field("Files at a time", "", 1),
    "download_rate_limit": _Field("Speed limit", "MiB/s", 1024**2),
    "disk_reserve": _Field("Keep free", "GiB", 1024**3),
}


@router.get("")
async def show_settings(request: Request, services: ServicesDep, who: Visitor) -> Response:
    """Show everything that can be set."""
    saved = request.query_params.get("saved", "")
    return await _page(
        request, services, who, notices={saved: _NOTICES.get(saved, "Saved")} if saved in _SECTIONS else {}
    )


_NOTICES = {"system": "Measured"}
_SECTIONS = frozenset({"downloads", "generation", "tokens", "access", "password", "system"})


@router.post("/downloads")
async def save_downloads(
    request: Request,
    services: ServicesDep,
    who: Keeper,
    max_parallel_downloads: Annotated[str | None, Form()] = None,
    download_rate_limit: Annotated[str | None, Form()] = None,
    disk_reserve: Annotated[str | None, Form()] = None,
    dashboard_theme: Annotated[str | None, Form()] = None,
) -> Response:
    """Store the download settings and the theme; a field that the environment holds is not sent."""
    given = {
        "max_parallel_downloads": max_parallel_downloads,
        "download_rate_limit": download_rate_limit,
        "disk_reserve": disk_reserve,
    }

    async def save() -> None:
        changes: dict[str, JSON] = {name: _number(name, text) for name, text in given.items() if text is not None}
        if dashboard_theme is not None:
            changes["dashboard_theme"] = dashboard_theme
        await services.preferences.change(changes)

    typed = {name: text for name, text in given.items() if text is not None}
    return await _saved(request, services, who, "downloads", save, typed=typed)


@router.post("/generation")
async def save_generation(
    request: Request, services: ServicesDep, who: Keeper, default_image_workflow: Annotated[str, Form()] = ""
) -> Response:
    """Store which workflow makes pictures for clients that name none."""

    async def save() -> None:
        if default_image_workflow:
            await services.workflow_desk.summary(default_image_workflow)
        await services.preferences.change({"default_image_workflow": default_image_workflow})

    return await _saved(request, services, who, "generation", save)


@router.post("/tokens/{host}")
async def save_token(
    request: Request,
    services: ServicesDep,
    who: Keeper,
    host: str,
    token: Annotated[str, Form()] = "",
    action: Annotated[str, Form()] = "save",
) -> Response:
    """Keep, forget or check the token of a host; it is never shown again."""
    if action == "check":
        return await _check_token(request, services, who, host)

    async def save() -> None:
        if action == "forget":
            await services.tokens.delete(host)
        else:
            await services.tokens.set(host, token.strip())

    return await _saved(request, services, who, "tokens", save)


@router.post("/password")
async def change_password(
    request: Request,
    services: ServicesDep,
    who: Keeper,
    current: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Put a new password in force; every other sign-in ends."""

    async def save() -> None:
        if new != again:
            raise InvalidForm("The new password was not typed the same twice.", hint="Type it again.")
        client = request.client.host if request.client else ""
        await services.auth.change_password(current, new, who=who, client=client)

    return await _saved(request, services, who, "password", save)


@router.post("/keys")
async def create_key(
    request: Request,
    services: ServicesDep,
    who: Keeper,
    name: Annotated[str, Form()] = "",
    scope: Annotated[str, Form()] = Scope.READ,
    *,
    cancel_on_disconnect: Annotated[bool, Form()] = False,
) -> Response:
    """Make an API key and show it this once."""
    try:
        if not name.strip() or len(name) > _KEY_NAME_LENGTH or scope not in {str(each) for each in Scope}:
            raise InvalidForm(f"A key needs a name of at most {_KEY_NAME_LENGTH} characters, and a scope.")
        made = await services.auth.create_key(name.strip(), Scope(scope), cancel_on_disconnect=cancel_on_disconnect)
    except HearthError as error:
        return await _refused(request, services, who, "access", error)
    return await _page(request, services, who, new_key=made.key)


@router.post("/keys/{key_id}/revoke")
async def revoke_key(request: Request, services: ServicesDep, who: Keeper, key_id: str) -> Response:
    """End an API key."""
    return await _saved(request, services, who, "access", lambda: services.auth.revoke_key(key_id))


@router.post("/sessions/revoke")
async def revoke_other_sessions(request: Request, services: ServicesDep, who: Keeper) -> Response:
    """End every sign-in but that of this browser."""

    async def save() -> None:
        await services.auth.revoke_other_sessions(who)

    return await _saved(request, services, who, "access", save)


@router.post("/sessions/{session_id}/revoke")
async def revoke_session(request: Request, services: ServicesDep, who: Keeper, session_id: str) -> Response:
    """End a sign-in."""
    return await _saved(request, services, who, "access", lambda: services.auth.revoke_session(session_id))


@router.post("/measure")
async def measure(request: Request, services: ServicesDep, who: Keeper) -> Response:
    """Measure the volume; the checks then tell what came out."""

    async def save() -> None:
        await services.volume.measure()

    return await _saved(request, services, who, "system", save)


async def _check_token(request: Request, services: Services, who: Identity, host: str) -> Response:
    try:
        account = await services.tokens.validate(host)
    except HearthError as error:
        return await _refused(request, services, who, "tokens", error)
    notices = {"tokens": f"{TOKEN_HOSTS.get(host, host)} knows this token: account {account}"}
    return await _page(request, services, who, notices=notices)


async def _saved(
    request: Request,
    services: Services,
    who: Identity,
    section: str,
    save: Callable[[], Awaitable[None]],
    *,
    typed: Mapping[str, str] | None = None,
) -> Response:
    try:
        await save()
    except HearthError as error:
        return await _refused(request, services, who, section, error, typed=typed)
    return RedirectResponse(f"/settings?saved={section}#{section}", status_code=303)


async def _refused(
    request: Request,
    services: Services,
    who: Identity,
    section: str,
    error: HearthError,
    *,
    typed: Mapping[str, str] | None = None,
) -> Response:
    message = error.message
    for name, field in _FIELDS.items():
        message = message.replace(name, field.label)
    problems = {section: f"{message} {hint_for_people(error)}".strip()}
    return await _page(request, services, who, problems=problems, status=error.status, typed=typed)


async def _page(
    request: Request,
    services: Services,
    who: Identity,
    *,
    notices: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    new_key: str = "",
    typed: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    views = {view.name: view for view in services.preferences.all()}
    theme = views["dashboard_theme"]
    context = SettingsPage(
        preferences=[_line(views[name], field, (typed or {}).get(name)) for name, field in _FIELDS.items()],
        default_theme=str(theme.value),
        theme_variable=_variable(theme),
        image_workflow=await _image_workflow(services, views["default_image_workflow"]),
        token_lines=_token_lines(services),
        keys=services.auth.api_keys(),
        new_key=new_key,
        sessions=services.auth.sessions(),
        session_id=who.session_id,
        password_is_fixed=services.auth.password_is_fixed,
        weak_password=services.auth.weak_password,
        checks=await services.checks(),
        folders=[str(root) for root in services.paths.roots()],
        notices=notices or {},
        problems=problems or {},
    )
    response = await render(request, services, who, context, status=status)
    if request.method == "POST":
        response.headers["HX-Replace-Url"] = "/settings"  # not the address of the form that led here
    return response


async def _image_workflow(services: Services, view: PreferenceView) -> ImageWorkflow:
    chosen = str(view.value)
    page = await services.workflow_desk.page(WorkflowQuery(limit=_MOST_WORKFLOWS))
    fit = [each for each in page.items if each.kind in ("image", None) and not each.problem]
    choices = [("", "The first that can run here"), *((each.id, each.title) for each in fit)]
    if chosen not in {value for value, _ in choices}:
        choices.append((chosen, f"{chosen} (not here)"))
    return ImageWorkflow(chosen, choices, _variable(view))


def _line(view: PreferenceView, field: _Field, typed: str | None) -> PreferenceLine:
    value = view.value if isinstance(view.value, int) else 0
    shown = f"{value / field.factor:.3f}".rstrip("0").rstrip(".") if field.factor > 1 else str(value)
    return PreferenceLine(
        view.name, field.label, shown if typed is None else typed, field.unit, view.doc, _variable(view)
    )


def _variable(view: PreferenceView) -> str | None:
    return view.name.upper() if view.origin == "environment" else None


def _token_lines(services: Services) -> list[TokenLine]:
    known = {token.host: token for token in services.tokens.describe()}
    lines: list[TokenLine] = []
    for host in dict.fromkeys([*TOKEN_HOSTS, *known]):
        token = known.get(host)
        label = TOKEN_HOSTS.get(host, host)
        lines.append(TokenLine(host, label, token.origin if token else "", token.ends_with if token else ""))
    return lines


def _number(name: str, text: str) -> int:
    field = _FIELDS[name]
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        value = -1
    if not 0 <= value < 1e9:
        raise InvalidForm(f"{field.label} must be a number of 0 or more.")
    return round(value * field.factor)
