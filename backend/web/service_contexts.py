"""What the pages about services and the start get to show; see ``backend.web.contexts``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from backend.bootstrap import StartupReport
from backend.downloads import DownloadJob
from backend.system import BootLog, Entry, Phase, Service
from backend.web.contexts import Context


@dataclass(frozen=True, slots=True)
class ServiceList(Context):
    """The services, and what of ComfyUI could not be loaded."""

    template = "components/service-list.html"
    is_part = True

    items: Annotated[Sequence[Service], "Every service, those that are not part of this installation last."]
    details: Annotated[Mapping[str, str], "What is worth knowing of each, by name."]
    boot: Annotated[BootLog, "What ComfyUI said when it started."]
    total_ms: Annotated[int | None, "How long the newest start took; None while it goes on."]


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What of a log is looked for, as its form shows it."""

    name: str
    label: str
    q: str
    level: str


@dataclass(frozen=True, slots=True)
class ServicesPage(ServiceList):
    """See what runs, steer it, and read what it writes."""

    template = "pages/services.html"
    nav = "services"
    is_part = False

    sources: Annotated[Sequence[Service], "Services that have a log."]
    log: Annotated[LogFilter, "Whose log is shown, and what of it."]
    entries: Annotated[Sequence[Entry], "The last lines that match."]


@dataclass(frozen=True, slots=True)
class ServiceActPage(Context):
    """Say what stopping or restarting a service means, before it is done."""

    template = "pages/service-act.html"
    nav = "services"

    service: Annotated[Service, "The service."]
    action: Annotated[str, "stop or restart."]
    running: Annotated[int, "Generations that run now."]
    waiting: Annotated[int, "Generations that wait."]


@dataclass(frozen=True, slots=True)
class ServiceActDialog(ServiceActPage):
    """The same in a dialog over the page."""

    template = "components/service-dialog.html"
    is_part = True


@dataclass(frozen=True, slots=True)
class PhaseLine:
    """A phase with its place on the way, in milliseconds from the first moment."""

    phase: Phase
    after_ms: int


@dataclass(frozen=True, slots=True)
class StartupPage(Context):
    """How the start goes; brings its own style and script, because it is shown at other addresses too."""

    template = "pages/startup.html"
    is_part = True

    report: Annotated[StartupReport, "Everything that is known about the newest start."]
    lines: Annotated[Sequence[PhaseLine], "Its phases."]
    downloads: Annotated[Sequence[DownloadJob], "Downloads that run now."]
    is_stand_in: Annotated[bool, "Whether the page stands where ComfyUI will be."]
    theme: Annotated[str, "Theme to paint with; system lets the browser choose."]
    style: Annotated[str, "The style sheet."]
    script: Annotated[str, "The script."]
