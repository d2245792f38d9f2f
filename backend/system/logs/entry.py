"""One line of a log: when it was written, how bad it is, and its text without colours and secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from backend.errors import JSON
from backend.kit.redact import redact

# CSI and OSC sequences, and two-character escapes (ECMA-48): colours, cursor movements, titles.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_TAI64N = re.compile(r"@([0-9a-f]{16})([0-9a-f]{8}) ")
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(\.\d{1,9})?  ")
# s6 labels seconds by TAI: 2**62 plus the leap seconds that UTC has had (skalibs; IERS Bulletin C has announced none since 2017).
_TAI_ZERO = 2**62 + 37
_MAX_TEXT = 4_000

_TAGGED = re.compile(
    r"\[(?P<tag>debug|detail|info|warning|warn|error|critical|emerg|alert|crit|notice)\s*\]"  # ComfyUI from 0.26, nginx, structlog
    r"|\[(?P<letter>[DIWEC]) \d{4}-"  # Jupyter
    r'|"level": ?"(?P<json>\w+)"'  # Hearth with LOG_FORMAT=json
    r"|\b(?P<word>DEBUG|INFO|WARNING|ERROR|CRITICAL)\b *[:|-]"  # uvicorn, Python's basicConfig
    r"|\d{3}Z\] +(?P<code>trace|debug|info|warn|error) ",  # code-server
    re.IGNORECASE,
)
_HEAD_LENGTH = 160  # a tag stands at the beginning of a line; what comes later is prose
_EXCEPTION = re.compile(
    r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|NotFound|Warning)(:|$)|[a-z_][\w.]+\.[A-Z]\w+: "
)
_PLAIN_ERROR = re.compile(
    r"!!! Exception|^Failed to |\(IMPORT FAILED\)|\(PRESTARTUP FAILED\)|^Error\b|^fatal\b|: fatal: ", re.IGNORECASE
)
_PLAIN_WARNING = re.compile(
    r"^WARNING\b|^Cannot import |^Skip .* module for custom nodes|: warning: |\bdeprecat", re.IGNORECASE
)


class Level(StrEnum):
    """How bad a line is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


_ORDER = {level: place for place, level in enumerate(Level)}
_LEVELS = {
    "debug": Level.DEBUG, "detail": Level.DEBUG, "trace": Level.DEBUG, "d": Level.DEBUG,
    "info": Level.INFO, "notice": Level.INFO, "i": Level.INFO,
    "warning": Level.WARNING, "warn": Level.WARNING, "w": Level.WARNING,
    "error": Level.ERROR, "critical": Level.ERROR, "emerg": Level.ERROR, "alert": Level.ERROR, "crit": Level.ERROR,
    "e": Level.ERROR, "c": Level.ERROR,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One line; ``at`` is None when nothing wrote down when it came."""

    at: datetime | None
    level: Level
    text: str

    def as_dict(self) -> dict[str, JSON]:
        """Shape it for programs."""
        return {"at": None if self.at is None else self.at.isoformat(), "level": self.level.value, "text": self.text}


def at_least(level: Level, wanted: Level) -> bool:
    """Tell whether *level* is as bad as *wanted* or worse."""
    return _ORDER[level] >= _ORDER[wanted]


def parse_line(raw: bytes) -> tuple[datetime | None, str]:
    """Part the time that s6-log put before a line (its ``t`` or ``T``) from the text, which loses colours and secrets.

    Of a bar that painted over itself only the last state is kept; texts are cut at 4000 characters.
    """
    line = raw.decode("utf-8", "replace").rstrip("\r\n")
    at = None
    if label := _TAI64N.match(line):
        at = _moment(int(label[1], 16) - _TAI_ZERO, int(label[2], 16))
        line = line[label.end() :]
    elif label := _ISO.match(line):
        at = datetime.fromisoformat(f"{label[1]}T{label[2]}{(label[3] or '')[:7]}").astimezone(UTC)
        line = line[label.end() :]
    painted = line.rpartition("\r")[2] or line
    return at, redact(_ANSI.sub("", painted)[:_MAX_TEXT])


def _moment(seconds: int, nanoseconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds + nanoseconds / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return None  # twenty-four letters that only looked like a time


class LevelReader:
    """Read the level of line after line; a traceback is an error from its head to the exception at its end."""

    def __init__(self) -> None:
        self._in_traceback = False

    def read(self, text: str) -> Level:
        """Return the level of the next line."""
        if "Traceback (most recent call last)" in text:
            self._in_traceback = True
            return Level.ERROR
        if self._in_traceback:
            if text.startswith((" ", "\t")) or not text:
                return Level.ERROR
            self._in_traceback = False
            if _EXCEPTION.match(text):
                return Level.ERROR
        return _tagged(text) or _plain(text)


def _tagged(text: str) -> Level | None:
    found = _TAGGED.search(text[:_HEAD_LENGTH])
    if found is None:
        return None
    name = next(filter(None, found.groups()))
    return _LEVELS.get(name.lower())


def _plain(text: str) -> Level:
    if _PLAIN_ERROR.search(text):
        return Level.ERROR
    return Level.WARNING if _PLAIN_WARNING.search(text) else Level.INFO
