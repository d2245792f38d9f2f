"""What was found on a volume and what was done about it: the content of ``/run/hearth/volume.json``."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple


class LayoutKind(StrEnum):
    """Whose files lie on the volume."""

    FRESH = "fresh"
    CURRENT = "current"
    LEGACY = "legacy"
    FOREIGN = "foreign"


# Notices of these codes keep Hearth from doing its work.
_PROBLEMS = {"volume_full", "volume_not_writable", "volume_read_only", "preparation_failed"}


class Notice(NamedTuple):
    """Something that people should know: a stable code, a sentence, and the one line that cures it (may be empty)."""

    code: str
    message: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it with its level, ``problem`` or ``warning``."""
        return {"code": self.code, "level": "problem" if self.code in _PROBLEMS else "warning", **self._asdict()}


class User(NamedTuple):
    """Whom the services run as, and the rule that chose them."""

    uid: int
    gid: int
    reason: str


class Filesystem(NamedTuple):
    """The file system of the workspace; links are None while they were not tried."""

    type: str
    source: str
    mounted: bool
    read_only: bool
    network: bool
    free_bytes: int
    total_bytes: int
    symlinks: bool | None = None
    hard_links: bool | None = None


class Packages(NamedTuple):
    """The Python of the image against the one that the volume was last used with; both as ``3.11``."""

    current: str
    previous: str | None
    reinstall: tuple[str, ...]


class Found(NamedTuple):
    """Everything that services and people need to know about the volume.

    Args:
        workspace: The folder in use; differs from *requested* where that one cannot be used.
        ephemeral: What is written is lost with the container.
        interpreter: What ComfyUI is run with.
        logs: Where log files go; empty where they cannot be written.
        safe_mode: No custom node and no package of the user is loaded.
        model_roots: Further folders with models, beside those that Hearth finds by itself.
        image_nodes: Names of custom nodes that come from the image; *shadowed* ones the volume has itself.
    """

    workspace: str
    requested: str
    ephemeral: bool
    filesystem: Filesystem
    layout: LayoutKind
    foreign: tuple[str, ...]
    user: User
    strategy: str
    safe_mode: bool
    interpreter: str
    python: Packages
    legacy_venvs: tuple[str, ...]
    model_roots: tuple[str, ...]
    image_nodes: tuple[str, ...]
    shadowed_nodes: tuple[str, ...]
    logs: str
    notices: tuple[Notice, ...]
    written_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        document = self._asdict()
        notices: tuple[Notice, ...] = document.pop("notices")
        return {
            **document,
            "filesystem": self.filesystem._asdict(),
            "user": self.user._asdict(),
            "python": self.python._asdict(),
            "warnings": [notice.to_json() for notice in notices],
        }
