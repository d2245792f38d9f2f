"""Shorten what a node's exception says: a few inner frames, and no folder of the server's machine."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backend.kit.redact import redact

_MAX_FRAMES = 6
_MAX_LINE = 400
_MAX_MESSAGE = 2_000
# A POSIX or Windows path of at least two folders; what comes before the last part is of no use to anybody else.
_PATH = re.compile(
    r"(?:(?<=^)|(?<=[\s'\"(=\[:,]))(?:/(?!/)|[A-Za-z]:[\\/])[^\s'\":,;()\[\]<>|]*[\\/]([^\s'\":,;()\[\]<>|\\/]+)"
)
# Where the interesting part of a frame's path begins.
_ANCHOR = re.compile(
    r"(?:^|[\\/])((?:custom_nodes|site-packages|comfy|comfy_extras|comfy_execution|comfy_api)[\\/].*)$"
)
_FILE = re.compile(r'File "([^"]+)"')
_MARKS = re.compile(r"^[\s~^]*$")


def short_message(message: str) -> str:
    """Return *message* without folders and secrets, cut to 2,000 characters."""
    return redact(_PATH.sub(r"\1", message.strip()))[:_MAX_MESSAGE]


def short_traceback(frames: Sequence[str]) -> tuple[str, ...]:
    """Return the innermost frames, one text each, with paths that begin at the package."""
    return tuple(_frame(frame) for frame in frames[-_MAX_FRAMES:])


def _frame(frame: str) -> str:
    lines = [line.strip() for line in frame.splitlines() if not _MARKS.match(line)]
    told = "\n".join(_FILE.sub(lambda match: f'File "{_relative(match.group(1))}"', line)[:_MAX_LINE] for line in lines)
    return redact(told)


def _relative(path: str) -> str:
    anchor = _ANCHOR.search(path)
    return anchor.group(1) if anchor else re.split(r"[\\/]", path)[-1]
