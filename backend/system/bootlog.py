"""What ComfyUI says while it starts, read as facts: versions, devices, and which custom nodes could not be imported and why.

The sentences are those of ``main.py`` and ``nodes.py`` (``init_external_custom_nodes``, ``load_custom_node``), the same
from 0.3.64 to the newest; from 0.26 on each record begins with its level in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from backend.system.bootlog_advice import Advice, advise
from backend.system.logs import Entry

_LEVEL = re.compile(r"^\[(?:DEBUG|DETAIL|INFO|WARNING|ERROR|CRITICAL)\s*\] ?")
_CANNOT_IMPORT = re.compile(r"Cannot import (?P<path>.+?) module for custom nodes: ?(?P<message>.*)$")
_SKIPPED = re.compile(r"Skip (?P<path>.+?) module for custom nodes due to (?P<message>.*)$")
_ENTRY_POINT = re.compile(r"Error while calling comfy_entrypoint in (?P<path>.+?): (?P<message>.*)$")
_NO_ENTRY_POINT = re.compile(
    r"comfy_entrypoint in (?P<path>.+?) (?P<message>is not callable|did not return a .+?), skipping\.$"
)
_PRESTARTUP = re.compile(r"Failed to execute startup-script: (?P<path>.+?)/prestartup_script\.py / (?P<message>.*)$")
_TIMED = re.compile(r"^ *(?P<seconds>\d+\.\d) seconds(?P<failed> \((?:IMPORT|PRESTARTUP) FAILED\))?: (?P<path>.+)$")
_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$")
_FACTS = {
    "version": re.compile(r"^ComfyUI version: (.+)$"),
    "python": re.compile(r"^(?:\*\* )?Python version: (\S+)"),
    "torch": re.compile(r"^pytorch version: (.+)$"),
    "device": re.compile(r"^Device: (.+)$"),
    "frontend": re.compile(r"^ComfyUI frontend version: (.+)$"),
}
_RESTARTS = re.compile(r"^Restarting\.\.\.|Restarting to reapply dependency installation")
_BEGINS = re.compile(
    r"^Restarting\.\.\.|Restarting to reapply dependency installation|^\*\* ComfyUI startup time:|^\[START\] Security scan"
)
_BEGINS_WITHOUT_MANAGER = re.compile(r"^Checkpoint files will always be loaded safely|^Total VRAM \d+ MB")
_IMPORT_TIMES = "Import times for custom nodes:"
_SERVES = re.compile(r"^To see the GUI go to: ")
_STOPPED = "Stopped server"
_TRACE_LINES = 20
_NOTED_LATE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class NodeFailure:
    """A custom node that could not be imported."""

    name: str
    path: str
    exception: str
    message: str
    advice: Advice
    traceback: tuple[str, ...] = ()
    stage: str = "import"


@dataclass(frozen=True, slots=True)
class NodeImport:
    """A custom node with the time that its import took."""

    name: str
    seconds: float
    failed: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A moment of the start."""

    name: str
    label: str
    at: datetime


@dataclass(slots=True)
class BootLog:
    """One start of ComfyUI, as far as it has come; ``restarted_at`` when the process had already lived before."""

    version: str | None = None
    python: str | None = None
    torch: str | None = None
    device: str | None = None
    frontend: str | None = None
    failures: list[NodeFailure] = field(default_factory=list[NodeFailure])
    nodes: list[NodeImport] = field(default_factory=list[NodeImport])
    steps: list[Step] = field(default_factory=list[Step])
    is_complete: bool = False
    restarted_at: datetime | None = None


def read_boot(entries: Sequence[Entry], *, begun_at: datetime | None = None, pip: str = "pip") -> BootLog:
    """Read the last start in *entries*.

    Args:
        begun_at: When its process was started; lines from before belong to an earlier one. A restart in place, which
            ComfyUI-Manager does, keeps the process: the log itself tells of it.
        pip: What installs packages where ComfyUI looks for them.
    """
    reader = _Reader(pip)
    lines = _last_boot(entries, begun_at)
    for entry in lines:
        reader.take(entry)
    boot = reader.finished()
    if begun_at is not None and lines and _RESTARTS.search(_bare(lines[0].text)):
        boot.restarted_at = lines[0].at
    return boot


def _last_boot(entries: Sequence[Entry], begun_at: datetime | None) -> Sequence[Entry]:
    since = list(entries) if begun_at is None else _after_birth(entries, begun_at)
    first = _last(since, _BEGINS if begun_at is None else _RESTARTS)
    if begun_at is None and first is None:
        first = _last(since, _BEGINS_WITHOUT_MANAGER, first_of_pair=True)
        if first is not None:
            # Prestartup scripts speak before ComfyUI itself does.
            while first > 0 and not _ends_a_run(since[first - 1].text):
                first -= 1
    return since[first or 0 :]


def _after_birth(entries: Sequence[Entry], begun_at: datetime) -> list[Entry]:
    """Leave out what an earlier process wrote; a supervisor notes the birth of a process that may be speaking already."""
    since = [entry for entry in entries if entry.at is None or entry.at >= begun_at - _NOTED_LATE]
    before = [place for place, entry in enumerate(since) if entry.at is not None and entry.at < begun_at]
    ends = [place for place in before if _bare(since[place].text) == _STOPPED]
    return since[ends[-1] + 1 :] if ends else since


def _last(entries: Sequence[Entry], pattern: re.Pattern[str], *, first_of_pair: bool = False) -> int | None:
    for index in range(len(entries) - 1, -1, -1):
        if pattern.search(_bare(entries[index].text)):
            before = index - 1
            if first_of_pair and before >= 0 and pattern.search(_bare(entries[before].text)):
                return before
            return index
    return None


def _ends_a_run(text: str) -> bool:
    bare = _bare(text)
    return bare == _STOPPED or bool(_SERVES.match(bare)) or bare.startswith("Prompt executed")


def _bare(text: str) -> str:
    return _LEVEL.sub("", text, count=1)


class _Reader:
    def __init__(self, pip: str) -> None:
        self._pip = pip
        self._boot = BootLog()
        self._trace: list[str] = []
        self._in_trace = False
        self._exceptions: list[tuple[str, str]] = []
        self._seen: dict[str, NodeFailure] = {}

    def take(self, entry: Entry) -> None:
        text = _bare(entry.text)
        self._note_facts(text, entry.at)
        if text.startswith(_TRACEBACK):
            if not self._in_trace:
                self._trace = []
            self._in_trace = True
            self._trace.append(text)
            return
        if self._in_trace and self._continues_trace(text):
            return
        self._note_failure(text)
        if timed := _TIMED.match(text):
            self._note_time(timed)

    def finished(self) -> BootLog:
        self._boot.failures = list(self._seen.values())
        return self._boot

    def _continues_trace(self, text: str) -> bool:
        """Collect a traceback with its causes, until a line that belongs to none of them."""
        if text.startswith((" ", "\t", "The above exception was", "During handling of the above")):
            self._trace.append(text)
            return True
        found = _EXCEPTION.match(text)
        if found and self._trace and self._trace[-1].startswith((" ", "\t")):
            self._trace.append(text)
            self._exceptions.append((found["type"], found["message"] or ""))
            return True
        self._in_trace = False
        return False

    def _note_facts(self, text: str, at: datetime | None) -> None:
        for name, pattern in _FACTS.items():
            if found := pattern.match(text):
                setattr(self._boot, name, found[1].strip())
        if at is None:
            return
        for name, label, reached in (
            ("torch", "PyTorch and devices", text.startswith("pytorch version:")),
            ("nodes", "Custom nodes imported", text == _IMPORT_TIMES),
            ("server", "Server listens", _SERVES.match(text) is not None),
        ):
            if reached:
                self._boot.steps.append(Step(name, label, at))
        self._boot.is_complete |= _SERVES.match(text) is not None

    def _note_failure(self, text: str) -> None:
        if found := _CANNOT_IMPORT.search(text):
            kind, root = self._blamed(found["message"])
            self._fail(found["path"], kind, found["message"], root=root, trace=self._trace)
        elif found := _SKIPPED.search(text):
            self._fail(found["path"], "NoNodes", f"It offers no nodes: {found['message']}")
        elif found := _ENTRY_POINT.search(text) or _NO_ENTRY_POINT.search(text):
            self._fail(found["path"], "EntryPointError", found["message"])
        elif found := _PRESTARTUP.search(text):
            self._fail(found["path"], _kind_of(found["message"]), found["message"], stage="prestartup")
        else:
            return
        self._trace, self._exceptions, self._in_trace = [], [], False

    def _blamed(self, message: str) -> tuple[str, str]:
        """Return the type of the exception, and the message of the one that caused it."""
        if not self._exceptions:
            return _kind_of(message), message
        kind = self._exceptions[-1][0].rpartition(".")[2]
        missing = [text for name, text in self._exceptions if name.endswith("ModuleNotFoundError")]
        return kind, missing[0] if missing else self._exceptions[-1][1]

    def _fail(
        self, path: str, kind: str, message: str, *, root: str = "", trace: Sequence[str] = (), stage: str = "import"
    ) -> None:
        name = PurePosixPath(path).name
        advice = advise(kind, root or message, name, self._pip)
        self._seen[path] = NodeFailure(name, path, kind, message, advice, tuple(trace[-_TRACE_LINES:]), stage)

    def _note_time(self, timed: re.Match[str]) -> None:
        path, failed = timed["path"].strip(), timed["failed"] is not None
        if failed and "PRESTARTUP" in timed["failed"]:
            return  # the sentence before has said why
        self._boot.nodes.append(NodeImport(PurePosixPath(path).name, float(timed["seconds"]), failed))
        if failed and path not in self._seen:
            self._fail(path, "ImportError", "The log does not say why.")


def _kind_of(message: str) -> str:
    if message.startswith("No module named"):
        return "ModuleNotFoundError"
    return "ImportError" if message.startswith("cannot import name") else "Exception"
