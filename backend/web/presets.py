"""Presets as pages: the list with its filters, one preset, and what can be done with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from backend.bootstrap import Services
from backend.downloads import DownloadJob
from backend.kit.units import format_bytes
from backend.presets import (
    PresetDetail,
    PresetPage,
    PresetQuery,
    PresetsDisabled,
    VerificationNotFound,
    VerificationView,
    parse_query,
)
from backend.web.answers import CLOSE_DIALOG, DOWNLOADS_CHANGED, PRESETS_CHANGED, UNTICK, Toast, done, preset_changed
from backend.web.contexts import (
    FileLine,
    PresetBody,
    PresetDetailPage,
    PresetFilters,
    PresetList,
    PresetRow,
    PresetsPage,
    RemoveDialog,
    RemovePage,
    Tab,
    fields_of,
)
from backend.web.identity import Keeper, ServicesDep, Visitor
from backend.web.rendering import is_for, render
from backend.web.space import free_bytes
from backend.web.words import hint_for_people

PAGE_SIZE = 50
_FILTERS = ("q", "category", "status", "sort", "gated")


async def _presets_are_on(services: ServicesDep) -> None:
    if not services.settings.enable_preset_manager:
        raise PresetsDisabled("Presets are switched off here (ENABLE_PRESET_MANAGER=false).")


router = APIRouter(prefix="/presets", include_in_schema=False, dependencies=[Depends(_presets_are_on)])


@router.get("")
async def show_presets(request: Request, services: ServicesDep, who: Visitor) -> Response:
    """Show the list, or the list alone when htmx asks for it."""
    shown = await _list(request, services)
    if is_for(request, "preset-list"):
        part = await render(request, services, who, shown)
        if request.headers.get("HX-Source") == "form#filters":
            part.headers["HX-Replace-Url"] = shown.here  # the form's own address would name its empty fields too
        return part
    page = PresetsPage(**fields_of(shown), can_update=services.settings.preset_catalog_url is not None)
    return await render(request, services, who, page)


@router.post("/download")
async def download_many(
    request: Request, services: ServicesDep, _who: Keeper, preset: Annotated[list[str] | None, Form()] = None
) -> Response:
    """Queue every preset that was ticked."""
    chosen = preset or []
    answers = await services.presets.download_many(chosen)
    queued = [answer for answer in answers if answer.job is not None]
    refused = [answer.error for answer in answers if answer.error is not None]
    toast = Toast(f"{_count(len(queued), 'preset')} queued")
    if refused:
        toast = replace(
            toast,
            text=f"{_count(len(queued), 'preset')} queued, {len(refused)} refused",
            tone="warning",
            icon="triangle-alert",
            detail=f"{refused[0].message} {hint_for_people(refused[0])}",
        )
    return await done(request, to="/downloads", events=(UNTICK, DOWNLOADS_CHANGED, PRESETS_CHANGED), toast=toast)


@router.post("/update")
async def update_catalogue(request: Request, services: ServicesDep, _who: Keeper) -> Response:
    """Fetch a newer catalogue."""
    report = await services.presets.update()
    detail = f"{len(report.added)} new, {len(report.changed)} changed, {len(report.removed)} gone"
    toast = Toast("The catalogue is up to date", detail=detail)
    return await done(request, to="/presets", events=(PRESETS_CHANGED,), toast=toast)


@router.get("/{preset_id}")
async def show_preset(request: Request, services: ServicesDep, who: Visitor, preset_id: str) -> Response:
    """Show one preset; an older name of it leads to its present address."""
    preset = await services.presets.view(preset_id)
    if preset.id != preset_id:
        return RedirectResponse(f"/presets/{preset.id}", status_code=301)
    body = await _body(services, preset)
    page = body if is_for(request, "preset-body") else PresetDetailPage(**fields_of(body))
    return await render(request, services, who, page)


@router.get("/{preset_id}/row")
async def show_row(request: Request, services: ServicesDep, who: Visitor, preset_id: str) -> Response:
    """Show one preset as it stands in the list."""
    row = PresetRow(preset=await services.presets.view(preset_id))
    return await render(request, services, who, row)


@router.post("/{preset_id}/download")
async def download(request: Request, services: ServicesDep, _who: Keeper, preset_id: str) -> Response:
    """Queue what is missing of a preset."""
    job = await services.presets.download(preset_id)
    preset = await services.presets.view(preset_id)
    detail = "" if preset.bytes_missing is None else f"{format_bytes(preset.bytes_missing)} to fetch"
    if job.state == "completed":
        detail = "Every file was on disk already"
    toast = Toast(f"{preset.name} is in the queue", detail=detail, icon="download")
    events = (preset_changed(preset.id), DOWNLOADS_CHANGED)
    return await done(request, to=f"/presets/{preset.id}", events=events, toast=toast)


@router.post("/{preset_id}/verify")
async def verify(request: Request, services: ServicesDep, _who: Keeper, preset_id: str) -> Response:
    """Read a preset's files and compare their checksums."""
    check = await services.presets.verify(preset_id)
    return await done(request, to=f"/presets/{check.preset_id}", events=(preset_changed(check.preset_id),))


@router.post("/{preset_id}/verify/cancel")
async def cancel_verify(request: Request, services: ServicesDep, _who: Keeper, preset_id: str) -> Response:
    """Stop a check."""
    check = await services.presets.cancel_verification(preset_id)
    return await done(request, to=f"/presets/{check.preset_id}", events=(preset_changed(check.preset_id),))


@router.get("/{preset_id}/remove")
async def plan_remove(request: Request, services: ServicesDep, who: Visitor, preset_id: str) -> Response:
    """Say what removing a preset's files would do."""
    preset = await services.presets.view(preset_id)
    plan = await services.presets.delete(preset.id, dry_run=True)
    needed = {each for kept in plan.kept for each in kept.needed_by}
    kind = RemoveDialog if is_for(request, "dialog") else RemovePage
    return await render(request, services, who, kind(preset=preset, plan=plan, names=_names(services, needed)))


@router.post("/{preset_id}/remove")
async def remove(request: Request, services: ServicesDep, _who: Keeper, preset_id: str) -> Response:
    """Move a preset's files to the trash."""
    removal = await services.presets.delete(preset_id)
    preset = await services.presets.view(preset_id)
    undo = f"/presets/{preset.id}/restore?removal={removal.removal_id}" if removal.removal_id else ""
    toast = Toast(
        f"{_count(len(removal.files), 'file')} of {preset.name} moved to the trash",
        detail=f"{format_bytes(removal.bytes_freed)} in the trash",
        icon="trash-2",
        undo_url=undo,
    )
    events = (CLOSE_DIALOG, preset_changed(preset.id), PRESETS_CHANGED)
    return await done(request, to=f"/presets/{preset.id}", events=events, toast=toast)


@router.post("/{preset_id}/restore")
async def restore(
    request: Request, services: ServicesDep, _who: Keeper, preset_id: str, removal: str | None = None
) -> Response:
    """Bring back what a removal moved to the trash."""
    restored = await services.presets.restore(preset_id, removal)
    events = (preset_changed(restored.preset_id), PRESETS_CHANGED)
    toast = Toast(f"{_count(len(restored.paths), 'file')} restored", icon="undo-2")
    return await done(request, to=f"/presets/{restored.preset_id}", events=events, toast=toast)


async def _list(request: Request, services: Services) -> PresetList:
    given = {name: request.query_params.get(name, "").strip() for name in _FILTERS}
    offset = request.query_params.get("offset", "0")
    query = parse_query([*given.items(), ("offset", offset), ("limit", str(PAGE_SIZE))])
    page = await services.presets.list_page(query)
    return PresetList(
        filters=PresetFilters(**given),
        tabs=_tabs(page, given),
        page=page,
        here=_address(given, query.offset),
        previous_href=_address(given, max(0, query.offset - PAGE_SIZE)) if query.offset else None,
        next_href=_address(given, query.offset + PAGE_SIZE) if _has_more(page, query) else None,
    )


def _has_more(page: PresetPage, query: PresetQuery) -> bool:
    return query.offset + len(page.items) < page.total


def _tabs(page: PresetPage, given: Mapping[str, str]) -> list[Tab]:
    every = sum(category.count for category in page.categories)
    tabs = [Tab("All", every, _address({**given, "category": ""}), not given["category"])]
    for category in page.categories:
        href = _address({**given, "category": str(category.id)})
        tabs.append(Tab(category.name, category.count, href, given["category"] == category.id))
    return tabs


def _address(given: Mapping[str, str], offset: int = 0) -> str:
    chosen = {name: value for name, value in given.items() if value}
    if offset:
        chosen["offset"] = str(offset)
    return f"/presets?{urlencode(chosen)}" if chosen else "/presets"


async def _body(services: Services, preset: PresetDetail) -> PresetBody:
    job = services.downloads.active_for(preset.id)
    shared = {other for file in preset.files for other in file.shared_with}
    return PresetBody(
        preset=preset,
        job=job,
        lines=_lines(preset, job),
        check=await _last_check(services, preset.id),
        bytes_present=sum(file.bytes_present for file in preset.files),
        free_bytes=await free_bytes(services),
        names=_names(services, shared),
    )


def _lines(preset: PresetDetail, job: DownloadJob | None) -> list[FileLine]:
    transfers = {(file.directory, file.name): file for file in job.files} if job is not None else {}
    return [FileLine(file, transfers.get((file.directory, file.name))) for file in preset.files]


async def _last_check(services: Services, preset_id: str) -> VerificationView | None:
    try:
        return await services.presets.verification(preset_id)
    except VerificationNotFound:
        return None


def _names(services: Services, ids: Iterable[str]) -> dict[str, str]:
    known = services.presets.catalog.by_id
    return {preset_id: known[preset_id].name for preset_id in sorted(ids) if preset_id in known}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
