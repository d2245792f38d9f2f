"""The shapes in which presets are shown, to programs and pages alike. Sizes in bytes, ratios from 0 to 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.presets.catalog import Catalog
from backend.presets.installation import PRESENT, ActiveDownload, FileState, PresetState, Status
from backend.presets.preset import CATEGORY_NAMES, Category, Origin, Preset, PresetFile
from backend.presets.query import PresetQuery, Selection
from backend.presets.verification import Verification


@dataclass(frozen=True, slots=True)
class DownloadView:
    """The unfinished job of a preset."""

    id: str
    state: str
    progress_ratio: float | None


@dataclass(frozen=True, slots=True)
class PresetView:
    """A preset in a list; ``bytes_missing`` is None as long as a missing file's size is unknown."""

    id: str
    name: str
    category: Category
    description: str
    tags: tuple[str, ...]
    aliases: tuple[str, ...]
    size_bytes: int | None
    size_is_estimate: bool
    bytes_missing: int | None
    gated: bool
    licence: str | None
    licence_url: str | None
    homepage: str | None
    min_vram_bytes: int | None
    workflows: tuple[str, ...]
    origin: Origin
    status: Status
    files_total: int
    files_present: int
    download: DownloadView | None


@dataclass(frozen=True, slots=True)
class PresetFileView:
    """One file of a preset; ``shared_with`` names other presets that need it, ``problem`` says why it is damaged."""

    directory: str
    name: str
    url: str
    size_bytes: int | None
    size_estimate_bytes: int | None
    sha256: str | None
    licence: str | None
    gated: bool
    status: Status
    path: str | None
    bytes_present: int
    problem: str | None
    shared_with: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PresetDetail(PresetView):
    """A preset with its files."""

    files: tuple[PresetFileView, ...]


@dataclass(frozen=True, slots=True)
class FileStatusView:
    """How one file stands."""

    directory: str
    name: str
    status: Status
    bytes_present: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class PresetStatusView:
    """How a preset stands, for those who ask often."""

    id: str
    status: Status
    files_total: int
    files_present: int
    bytes_missing: int | None
    download: DownloadView | None
    files: tuple[FileStatusView, ...]


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """A category beside a list: how many presets it would show with the other filters as they are."""

    id: Category
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class PresetPage:
    """One page of the list; ``total`` counts all pages."""

    items: tuple[PresetView, ...]
    total: int
    limit: int
    offset: int
    categories: tuple[CategoryCount, ...]


@dataclass(frozen=True, slots=True)
class CategoryView:
    """A category, how many presets it has and how many of them are installed, verified or not."""

    id: Category
    name: str
    count: int
    installed: int


@dataclass(frozen=True, slots=True)
class CategoryList:
    """Every category, in the order of the dashboard."""

    items: tuple[CategoryView, ...]
    total: int


@dataclass(frozen=True, slots=True)
class VerifiedFileView:
    """What a check found out about one file, and how the file stands since.

    ``outcome`` is pending, matches, differs, recorded (nobody promised a checksum), missing or unreadable.
    """

    directory: str
    name: str
    outcome: str
    status: Status


@dataclass(frozen=True, slots=True)
class VerificationView:
    """A check of a preset's files, as far as it has come; times in ISO 8601."""

    id: str
    preset_id: str
    state: str
    bytes_done: int
    bytes_total: int
    progress_ratio: float | None
    files: tuple[VerifiedFileView, ...]
    started_at: str
    finished_at: str | None


def view_preset(preset: Preset, state: PresetState) -> PresetView:
    """Show a preset in a list."""
    return PresetView(*_common(preset, state))


def view_page(selection: Selection, states: Mapping[str, PresetState], query: PresetQuery) -> PresetPage:
    """Show one page of the list."""
    return PresetPage(
        items=tuple(view_preset(preset, states[preset.id]) for preset in selection.presets),
        total=selection.total,
        limit=query.limit,
        offset=query.offset,
        categories=tuple(
            CategoryCount(category, CATEGORY_NAMES[category], count)
            for category, count in selection.category_counts.items()
        ),
    )


def view_detail(preset: Preset, state: PresetState, catalog: Catalog) -> PresetDetail:
    """Show a preset with its files."""
    files = tuple(
        _view_file(file, file_state, preset, catalog)
        for file, file_state in zip(preset.files, state.files, strict=True)
    )
    return PresetDetail(*_common(preset, state), files=files)


def view_status(preset: Preset, state: PresetState) -> PresetStatusView:
    """Show how a preset stands."""
    files = tuple(
        FileStatusView(file.directory, file.name, found.status, found.bytes_present, found.problem)
        for file, found in zip(preset.files, state.files, strict=True)
    )
    return PresetStatusView(
        preset.id,
        state.status,
        len(files),
        _present(state),
        state.bytes_missing,
        _view_download(state.download),
        files,
    )


def view_categories(catalog: Catalog, states: Mapping[str, PresetState]) -> CategoryList:
    """Count the presets of each category."""
    total = dict.fromkeys(Category, 0)
    installed = dict.fromkeys(Category, 0)
    for preset in catalog.presets:
        total[preset.category] += 1
        installed[preset.category] += states[preset.id].status in PRESENT
    items = tuple(CategoryView(each, CATEGORY_NAMES[each], total[each], installed[each]) for each in Category)
    return CategoryList(items, len(items))


def view_verification(check: Verification, preset: Preset | None, state: PresetState | None) -> VerificationView:
    """Show a check; without the preset, which may be gone since, every file counts as absent."""
    found: dict[tuple[str, str], FileState] = {}
    if preset is not None and state is not None:
        found = {file.place: each for file, each in zip(preset.files, state.files, strict=True)}
    return VerificationView(
        id=check.id,
        preset_id=check.preset_id,
        state=str(check.state),
        bytes_done=check.bytes_done,
        bytes_total=check.bytes_total,
        progress_ratio=check.progress_ratio,
        files=tuple(
            VerifiedFileView(*place, str(outcome), found[place].status if place in found else Status.ABSENT)
            for place, outcome in check.outcomes.items()
        ),
        started_at=check.started_at.isoformat(),
        finished_at=check.finished_at.isoformat() if check.finished_at else None,
    )


def _common(preset: Preset, state: PresetState) -> tuple[Any, ...]:
    return (
        preset.id,
        preset.name,
        preset.category,
        preset.description,
        preset.tags,
        preset.aliases,
        preset.size_bytes,
        preset.size_is_estimate,
        state.bytes_missing,
        preset.gated,
        preset.licence,
        preset.licence_url,
        preset.homepage,
        preset.min_vram_bytes,
        preset.workflows,
        preset.origin,
        state.status,
        len(preset.files),
        _present(state),
        _view_download(state.download),
    )


def _view_file(file: PresetFile, state: FileState, preset: Preset, catalog: Catalog) -> PresetFileView:
    return PresetFileView(
        directory=file.directory,
        name=file.name,
        url=file.url,
        size_bytes=file.size_bytes,
        size_estimate_bytes=file.size_estimate_bytes,
        sha256=file.sha256,
        licence=file.licence or preset.licence,
        gated=file.gated,
        status=state.status,
        path=None if state.path is None else str(state.path),
        bytes_present=state.bytes_present,
        problem=state.problem,
        shared_with=catalog.sharing(file.place, but=preset.id),
    )


def _view_download(download: ActiveDownload | None) -> DownloadView | None:
    return None if download is None else DownloadView(download.id, download.state, download.progress_ratio)


def _present(state: PresetState) -> int:
    return sum(file.status in PRESENT for file in state.files)
