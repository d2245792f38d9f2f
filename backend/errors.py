"""The root of everything that can go wrong on purpose.

* HearthError                 what happened, why, what to do next; a stable ``code``; an HTTP ``status`` as a plain number
  * sources.SourceError       where files come from: gated, not found, token refused
  * sources.BucketError       where copies of results go
  * comfyui.ComfyUIError      what ComfyUI refuses, and how executions fail
  * downloads.DownloadError   moving bytes: connection, checksum, space
  * presets.PresetError       the catalogue and its files
  * paths.PathError           folders and names outside the fence
  * auth.AuthError            who are you
  * database / config         storage and settings

Each feature keeps its own branch in ``<feature>/errors.py``, one class per code. The domain raises, delivery (``api``,
``web``, ``cli``) translates in one place. This module knows no web framework.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | Mapping[str, JSON] | None"


class HearthError(Exception):
    """Say what happened, why, and what to do next.

    Args:
        message: One sentence for a person; never holds a secret.
        hint: The next action. Left out, the class's ``default_hint`` is used.
        details: Numbers and names for programs, JSON-ready.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    default_hint: ClassVar[str] = "Look at the log for the request id, and report it if it happens again."

    def __init__(self, message: str, *, hint: str | None = None, details: Mapping[str, JSON] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.details: dict[str, JSON] = dict(details or {})

    def as_dict(self) -> dict[str, JSON]:
        """Shape the error as every door sends it: ``code``, ``message``, ``hint`` and, where useful, ``details``."""
        shape: dict[str, JSON] = {"code": self.code, "message": self.message, "hint": self.hint}
        if self.details:
            shape["details"] = self.details
        return shape


def every_error() -> Iterator[type[HearthError]]:
    """Walk the tree of error classes that are loaded, the root first."""
    pending: list[type[HearthError]] = [HearthError]
    while pending:
        current = pending.pop(0)
        yield current
        pending.extend(current.__subclasses__())
