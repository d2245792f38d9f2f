"""What each page gets to show: one class per template, one line of meaning per field.

A template may use these fields, the filters and nothing else; a test compares the names that a template asks for with the
fields of its class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar

from backend.auth import ApiKey, Session
from backend.downloads import DownloadFile, DownloadJob, QueueTotals
from backend.presets import PresetDetail, PresetFileView, PresetPage, PresetView, Removal, VerificationView
from backend.system import Check


@dataclass(frozen=True, slots=True)
class NavItem:
    """A way to a page; ``key`` is the ``nav`` of that page's context."""

    key: str
    href: str
    label: str
    icon: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds every page."""

    layout: Annotated[str, "Template of the frame: the whole page, or title and main part for htmx."]
    current: Annotated[str, "Key of the navigation item that the page belongs to."]
    theme: Annotated[str, "Theme to paint with until a script has looked at the visitor's system."]
    theme_choice: Annotated[str, "What the visitor chose: dark, light, high-contrast or system."]
    navigation: Annotated[Sequence[NavItem], "Pages that exist here."]
    queue: Annotated[QueueTotals | None, "The download queue in numbers; None for people who are not signed in."]
    who: Annotated[str, "Who is signed in; empty when nobody is."]
    is_demo: Annotated[bool, "Whether files are made up, which every page then says."]
    version: Annotated[str, "Version of Hearth."]


class Context:
    """What one template shows; ``is_part`` templates come without a frame."""

    template: ClassVar[str]
    nav: ClassVar[str] = ""
    is_part: ClassVar[bool] = False


def fields_of(context: Any) -> dict[str, Any]:
    """Return the values of a context by name, not copied."""
    return {each.name: getattr(context, each.name) for each in fields(context)}


@dataclass(frozen=True, slots=True)
class LoginPage(Context):
    """Ask for the password."""

    template = "pages/login.html"

    next_url: Annotated[str, "Page to open after signing in; a path on this site."]
    problem: Annotated[str, "Why the last attempt was refused; empty at first."]
    wait_s: Annotated[int, "Seconds until another attempt is answered; 0 when it may be made now."]


@dataclass(frozen=True, slots=True)
class ErrorPage(Context):
    """Say what went wrong, why, and what to do now."""

    template = "pages/error.html"

    status: Annotated[int, "HTTP status of the answer."]
    headline: Annotated[str, "What happened, in a few words."]
    message: Annotated[str, "What happened, in a sentence."]
    hint: Annotated[str, "What to do now."]
    code: Annotated[str, "Stable name of the error, for reports."]
    successor: Annotated[str | None, "Id of the preset to use in place of one that was given up."]


@dataclass(frozen=True, slots=True)
class PresetFilters:
    """What the list was asked for, as its form shows it."""

    q: str
    category: str
    status: str
    sort: str
    gated: str


@dataclass(frozen=True, slots=True)
class Tab:
    """A category above the list; ``count`` counts with the other filters as they are."""

    label: str
    count: int
    href: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class PresetList(Context):
    """The list of presets with its filters."""

    template = "components/preset-list.html"
    is_part = True

    filters: Annotated[PresetFilters, "What the list was asked for."]
    tabs: Annotated[Sequence[Tab], "Categories, the first one is all of them."]
    page: Annotated[PresetPage, "The presets of this page."]
    here: Annotated[str, "Address of this list, to ask for it again."]
    previous_href: Annotated[str | None, "Address of the page before this one."]
    next_href: Annotated[str | None, "Address of the page after this one."]


@dataclass(frozen=True, slots=True)
class PresetsPage(PresetList):
    """Find presets and install them."""

    template = "pages/presets.html"
    nav = "presets"
    is_part = False

    can_update: Annotated[bool, "Whether there is an address to fetch a newer catalogue from."]


@dataclass(frozen=True, slots=True)
class PresetRow(Context):
    """One preset in the list."""

    template = "components/preset-row.html"
    is_part = True

    preset: Annotated[PresetView, "The preset."]


@dataclass(frozen=True, slots=True)
class BulkBar(Context):
    """What installing the ticked presets would take."""

    template = "components/bulk-bar.html"
    is_part = True

    chosen: Annotated[int, "Presets that are ticked."]
    bytes_missing: Annotated[int, "Bytes to fetch, every shared file counted once."]
    unknown_sizes: Annotated[int, "Files of unknown size among them."]
    gated: Annotated[int, "Presets among them that need an account."]
    free_after: Annotated[int | None, "Bytes above the reserve that are left behind the queue; negative: too few."]


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file of a preset, and the file of the running job that fetches it."""

    file: PresetFileView
    transfer: DownloadFile | None


@dataclass(frozen=True, slots=True)
class PresetBody(Context):
    """Everything about one preset that changes while it is looked at."""

    template = "components/preset-body.html"
    nav = "presets"
    is_part = True

    preset: Annotated[PresetDetail, "The preset."]
    job: Annotated[DownloadJob | None, "Its unfinished download."]
    lines: Annotated[Sequence[FileLine], "Its files in the order of the definition."]
    check: Annotated[VerificationView | None, "Its latest check since the start."]
    bytes_present: Annotated[int, "Bytes of its files that are on disk."]
    free_bytes: Annotated[int | None, "Free bytes where downloads go; None when they cannot be asked."]
    names: Annotated[Mapping[str, str], "Names of the presets that share files with this one, by id."]


@dataclass(frozen=True, slots=True)
class PresetDetailPage(PresetBody):
    """One preset: what it is, what is on disk, what can be done."""

    template = "pages/preset-detail.html"
    is_part = False


@dataclass(frozen=True, slots=True)
class RemovePage(Context):
    """What removing a preset's files would do, before it is done."""

    template = "pages/preset-remove.html"
    nav = "presets"

    preset: Annotated[PresetDetail, "The preset."]
    plan: Annotated[Removal, "What would go, what would stay and why."]
    names: Annotated[Mapping[str, str], "Names of the presets that keep files, by id."]


@dataclass(frozen=True, slots=True)
class RemoveDialog(RemovePage):
    """The same in a dialog over the page."""

    template = "components/remove-dialog.html"
    is_part = True


@dataclass(frozen=True, slots=True)
class DownloadsList(Context):
    """The queue in groups."""

    template = "components/download-queue.html"
    is_part = True

    running: Annotated[Sequence[DownloadJob], "Jobs that somebody works on now."]
    needs_you: Annotated[Sequence[DownloadJob], "Jobs that wait for a person, or failed."]
    waiting: Annotated[Sequence[DownloadJob], "Jobs whose turn will come, and paused ones."]
    history: Annotated[Sequence[DownloadJob], "Jobs that ended, newest first."]
    history_total: Annotated[int, "How many ended jobs there are in all."]
    totals: Annotated[QueueTotals, "The queue in numbers."]
    free_bytes: Annotated[int | None, "Free bytes where downloads go; None when they cannot be asked."]
    reserve_bytes: Annotated[int, "Bytes that downloads leave free."]
    parallel: Annotated[int, "Files that are fetched at the same time."]
    here: Annotated[str, "Address of this list, to ask for it again."]
    more_href: Annotated[str | None, "Address that shows more of the history."]
    has_presets: Annotated[bool, "Whether there are presets to go to."]


@dataclass(frozen=True, slots=True)
class DownloadsPage(DownloadsList):
    """Follow and steer downloads."""

    template = "pages/downloads.html"
    nav = "downloads"
    is_part = False


@dataclass(frozen=True, slots=True)
class AddPage(Context):
    """Download a file from an address of one's own."""

    template = "pages/download-add.html"
    nav = "downloads"

    categories: Annotated[Sequence[tuple[str, str]], "Categories of model files and the folders their downloads go to."]
    values: Annotated[Mapping[str, str], "What was typed before."]
    problem: Annotated[str, "Why it was refused; empty at first."]
    hint: Annotated[str, "What to change; empty at first."]


@dataclass(frozen=True, slots=True)
class AddDialog(AddPage):
    """The same in a dialog over the page."""

    template = "components/add-dialog.html"
    is_part = True


@dataclass(frozen=True, slots=True)
class PreferenceLine:
    """One download setting as the form shows it, in the unit of the form; *variable* of the environment holds it."""

    name: str
    label: str
    value: str
    unit: str
    doc: str
    variable: str | None


@dataclass(frozen=True, slots=True)
class ImageWorkflow:
    """Which workflow answers clients that name none; *variable* of the environment holds it."""

    chosen: str
    choices: Sequence[tuple[str, str]]
    variable: str | None


@dataclass(frozen=True, slots=True)
class TokenLine:
    """A host that gives more to people it knows; ``origin`` is stored, environment or empty."""

    host: str
    label: str
    origin: str
    ends_with: str


@dataclass(frozen=True, slots=True)
class SettingsPage(Context):
    """Set Hearth up."""

    template = "pages/settings.html"
    nav = "settings"

    preferences: Annotated[Sequence[PreferenceLine], "Download settings."]
    default_theme: Annotated[str, "Theme until a visitor picks one."]
    theme_variable: Annotated[str | None, "Variable of the environment that holds the theme."]
    image_workflow: Annotated[ImageWorkflow, "Which workflow makes pictures for clients that name none."]
    token_lines: Annotated[Sequence[TokenLine], "Hosts, with or without a token."]
    keys: Annotated[Sequence[ApiKey], "API keys in force."]
    new_key: Annotated[str, "A key that was just made, shown this once; empty otherwise."]
    sessions: Annotated[Sequence[Session], "Sign-ins in force."]
    session_id: Annotated[str | None, "The sign-in of this browser."]
    password_is_fixed: Annotated[bool, "Whether ACCESS_PASSWORD holds the password."]
    weak_password: Annotated[bool, "Whether the password is one that anybody would guess first."]
    checks: Annotated[Sequence[Check], "Findings about this installation."]
    folders: Annotated[Sequence[str], "Folders with models, the one for downloads first."]
    notices: Annotated[Mapping[str, str], "What was just saved, by section."]
    problems: Annotated[Mapping[str, str], "What was just refused, by section."]
