"""The last lines that a process wrote, cleaned for reading."""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from backend.kit.clock import utc_now
from backend.kit.redact import redact

# CSI and OSC sequences, and two-character escapes (ECMA-48): colours, cursor movements, titles.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_MAX_LINE = 4_000


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line; ``is_passing`` marks a progress bar that the next line paints over."""

    at: datetime
    text: str
    is_passing: bool = False


class LogRing:
    """Cut a stream of bytes into lines and keep the last *size* of them.

    Progress bars end with a carriage return: only their last state is kept, though listeners hear of each.
    """

    def __init__(self, size: int = 1_000) -> None:
        self._lines: deque[LogLine] = deque(maxlen=size)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._listeners: list[Callable[[LogLine], None]] = []

    @property
    def lines(self) -> tuple[LogLine, ...]:
        """The lines that are kept, oldest first."""
        return tuple(self._lines)

    def tail(self, count: int) -> list[str]:
        """Return the text of the last *count* lines."""
        return [line.text for line in tuple(self._lines)[-count:]]

    def listen(self, listener: Callable[[LogLine], None]) -> Callable[[], None]:
        """Call *listener* with every line from now on; returns what to call to stop."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Take in what was written; *final* ends the line that has no end."""
        text = self._rest + self._decoder.decode(data, final)
        self._rest = ""
        # "\r\n" is one end of a line; a lone "\r" says that what follows paints over it.
        for part in re.split(r"(?<=\n)|(?<=\r)(?!\n)", text):
            if part.endswith(("\n", "\r")) or len(part) > _MAX_LINE or final:
                self._keep(part)
            else:
                self._rest = part

    def _keep(self, part: str) -> None:
        is_passing = part.endswith("\r")
        text = redact(_ANSI.sub("", part.rstrip("\r\n"))[:_MAX_LINE])
        if not text.strip():
            return
        line = LogLine(utc_now(), text, is_passing)
        if self._lines and self._lines[-1].is_passing:
            self._lines.pop()
        self._lines.append(line)
        for listener in tuple(self._listeners):
            listener(line)
