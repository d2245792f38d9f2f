"""How the start went, phase by phase: what the container did, what Hearth did, and what ComfyUI did.

The container writes ``timeline.jsonl``, one phase per line: ``{"phase", "started_ms", "ended_ms", "detail"}`` in
milliseconds since 1970. Hearth notes its own phases here. ComfyUI's are read from its supervisor, its log and its port.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field

from backend.kit.clock import utc_now
from backend.system.bootlog import BootLog
from backend.system.process import started_at

TIMELINE = "timeline.jsonl"
VOLUME = "volume.json"
COPY = "copy.json"
_FIRST = "container"
_UNTOLD = {"boottime_ms", "start"}  # for programs
_TOLD_BY_THEMSELVES = {"hearth", "comfyui"}
_LABELS = {
    "container": "Container started",
    "volume": "Volume prepared",
    "copy": "ComfyUI copied to the volume",
    "nginx": "Proxy answers",
    "code-server": "code-server answers",
    "jupyter": "JupyterLab answers",
    "sshd": "SSH answers",
}
_MAX_BYTES = 256 * 1024  # a start writes some dozen lines


class Part(StrEnum):
    """Who works in a phase."""

    CONTAINER = "container"
    HEARTH = "hearth"
    COMFYUI = "comfyui"


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of the start; ``ended_at`` is None while it goes on."""

    part: Part
    name: Annotated[str, Field(examples=["imports"])]
    label: Annotated[str, Field(examples=["Program loaded"])]
    started_at: datetime
    ended_at: datetime | None
    detail: str = ""

    @property
    def ms(self) -> int | None:
        """How long it took, in milliseconds."""
        return (
            None if self.ended_at is None else max(0, round((self.ended_at - self.started_at).total_seconds() * 1000))
        )


class StartupRecorder:
    """Note what Hearth does between the birth of its process and its first answer."""

    def __init__(self) -> None:
        self._phases: list[Phase] = []
        self._open: tuple[str, str, datetime] | None = None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """What is known so far, in order; the phase that goes on is the last."""
        if self._open is None:
            return tuple(self._phases)
        name, label, began = self._open
        return (*self._phases, Phase(Part.HEARTH, name, label, began, None))

    def loaded(self) -> None:
        """Note that the program is loaded: everything from the birth of the process to now; blocking once for /proc."""
        self._phases.append(Phase(Part.HEARTH, "imports", "Program loaded", started_at(), utc_now()))

    @contextmanager
    def phase(self, name: str, label: str) -> Generator[None]:
        """Measure what happens inside."""
        began = utc_now()
        self._open = (name, label, began)
        try:
            yield
        finally:
            self._open = None
            self._phases.append(Phase(Part.HEARTH, name, label, began, utc_now()))

    def begin(self, name: str, label: str) -> None:
        """Begin a phase that :meth:`end` ends elsewhere."""
        self._open = (name, label, utc_now())

    def end(self) -> None:
        """End the phase that was begun; without one nothing happens."""
        if self._open is not None:
            name, label, began = self._open
            self._open = None
            self._phases.append(Phase(Part.HEARTH, name, label, began, utc_now()))


@dataclass(frozen=True, slots=True)
class ComfyUIStart:
    """What is known about the newest start of the local ComfyUI; a moment that has not come is None."""

    process_at: datetime | None
    first_http_at: datetime | None
    ready_at: datetime | None


def container_phases(run_dir: Path) -> list[Phase]:
    """Read what the container noted at its newest start; empty outside of one; blocking.

    A line that cannot be read is left out, and so are later starts of a service, and those of Hearth and ComfyUI, of which
    more is known from themselves.
    """
    phases: list[Phase] = []
    for text in _text(run_dir / TIMELINE).splitlines():
        try:
            line = json.loads(text)
            phase = _phase(line)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError):
            continue  # the line that is just being written
        if phase.name == _FIRST:
            phases = []  # the container was stopped and started again
        if phase.name not in _TOLD_BY_THEMSELVES and _start_of(line) <= 1:
            phases.append(phase)
    return sorted(phases, key=lambda phase: phase.started_at)


def copy_progress(run_dir: Path) -> float | None:
    """Return how much of ComfyUI has been copied to the volume, 0 to 1, while it is; blocking."""
    try:
        content: dict[str, Any] = json.loads(_text(run_dir / COPY))
        ratio = int(content["bytes_done"]) / int(content["bytes_total"])
    except (ValueError, KeyError, TypeError, ZeroDivisionError):
        return None
    return ratio if ratio < 1 else None


def volume_report(run_dir: Path) -> dict[str, Any]:
    """Read what the container found out about its volume; empty outside of one; blocking."""
    try:
        content: object = json.loads(_text(run_dir / VOLUME))
    except ValueError:
        return {}
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def comfyui_phases(start: ComfyUIStart, boot: BootLog) -> list[Phase]:
    """Cut ComfyUI's start where its log says that something was done; the last phase may go on."""
    if start.process_at is None:
        return []
    marks = [(step.name, step.label, step.at) for step in boot.steps]
    if start.first_http_at is not None:
        marks = [mark for mark in marks if mark[2] <= start.first_http_at]
        marks.append(("http", "First answer", start.first_http_at))
    if start.ready_at is not None:
        marks.append(("ready", "Takes work", start.ready_at))
    phases: list[Phase] = []
    begins = start.process_at
    for name, label, at in marks:
        ends = max(at, begins)
        if ends == begins and name == "http":
            continue  # taken from its log, which does not tell of it
        phases.append(Phase(Part.COMFYUI, name, label, begins, ends, _detail(name, boot)))
        begins = ends
    if start.ready_at is None:
        name, label = _next(marks)
        phases.append(Phase(Part.COMFYUI, name, label, begins, None))
    return phases


def total_ms(phases: Iterable[Phase]) -> int | None:
    """Return the time from the first moment to the last; None while something goes on."""
    known = list(phases)
    ends = [phase.ended_at for phase in known if phase.ended_at is not None]
    if not known or len(ends) < len(known):
        return None
    return round((max(ends) - min(phase.started_at for phase in known)).total_seconds() * 1000)


def _detail(name: str, boot: BootLog) -> str:
    if name == "torch" and boot.torch:
        return f"PyTorch {boot.torch} on {boot.device or 'an unknown device'}"
    if name == "nodes" and boot.nodes:
        failed = sum(node.failed for node in boot.nodes)
        slowest = max(boot.nodes, key=lambda node: node.seconds)
        told = f"{len(boot.nodes)} node packs" + (f", {failed} failed" if failed else "")
        return f"{told}; slowest {slowest.name}, {slowest.seconds:.1f} s" if slowest.seconds >= 0.1 else told
    return ""


_STEPS = (
    ("torch", "PyTorch and devices"),
    ("nodes", "Custom nodes imported"),
    ("server", "Server listens"),
    ("http", "First answer"),
    ("ready", "Takes work"),
)


def _next(marks: Sequence[tuple[str, str, datetime]]) -> tuple[str, str]:
    reached = max((place for place, (name, _) in enumerate(_STEPS) for mark in marks if mark[0] == name), default=-1)
    return _STEPS[min(reached + 1, len(_STEPS) - 1)]


def _phase(line: dict[str, Any]) -> Phase:
    ended = line.get("ended_ms")
    name = str(line["phase"])
    return Phase(
        part=Part.CONTAINER,
        name=name,
        label=_LABELS.get(name) or name.replace("_", " ").capitalize(),
        started_at=datetime.fromtimestamp(float(line["started_ms"]) / 1000, UTC),
        ended_at=None if ended is None else datetime.fromtimestamp(float(ended) / 1000, UTC),
        detail=_sentence(line.get("detail")),
    )


def _start_of(line: dict[str, Any]) -> int:
    detail: object = line.get("detail")
    start = cast("dict[str, object]", detail).get("start") if isinstance(detail, dict) else None
    return start if isinstance(start, int) else 1


def _sentence(detail: object) -> str:
    if isinstance(detail, dict):
        told = cast("dict[object, object]", detail).items()
        return ", ".join(f"{name} {value}" for name, value in told if name not in _UNTOLD)
    return "" if detail is None else str(detail)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
