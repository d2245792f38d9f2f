"""Whom the volume belongs to, and who works on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from backend.system.checks.finding import Check, CheckState
from backend.system.checks.installation import Installation

_FOLDERS = (
    "", "config", "logs", "venv", "outputs", "ComfyUI", "ComfyUI/models", "ComfyUI/custom_nodes", "ComfyUI/user", "ComfyUI/output",
)  # fmt: skip


def _owner(installation: Installation) -> list[Check]:
    workspace, user = installation.workspace, os.geteuid()
    owners = {path: owner for path in _paths(workspace) if (owner := _owner_of(path)) is not None}
    if not owners:
        return []  # the workspace is not there, which another check tells
    foreign = {path: owner for path, owner in owners.items() if owner != user}
    if not foreign:
        return [Check("owner", CheckState.OK, f"The workspace belongs to user id {user}, as whom Hearth runs.")]
    locked = [path for path in foreign if not os.access(path, os.W_OK, effective_ids=True)]
    if locked:
        return [_locked(workspace, user, locked, foreign)]
    names = sorted({str(owner) for owner in foreign.values()})
    message = (
        f"Parts of the workspace belong to user id {' and '.join(names)}, Hearth runs as {user}; it can write them."
    )
    if user != 0:
        return [Check("owner", CheckState.OK, message)]
    wanted = _owner_of(workspace) or int(names[0])
    hint = "New files will belong to root. Start the container as the volume's owner."
    return [Check("owner", CheckState.WARNING, message, hint, _as_user(wanted, workspace))]


def _locked(workspace: Path, user: int, locked: Sequence[Path], foreign: dict[Path, int]) -> Check:
    shown = ", ".join(str(path) for path in locked[:3]) + (" …" if len(locked) > 3 else "")
    owner = foreign[locked[0]]
    message = f"{shown} belongs to user id {owner}, and Hearth, which runs as {user}, cannot write it."
    if _owner_of(workspace) == owner and owner != 0:
        return Check(
            "owner", CheckState.PROBLEM, message, "Run as the owner of the volume.", _as_user(owner, workspace)
        )
    hint = "Give these folders to the user that Hearth runs as, once, as root; models need not be touched."
    fix = f"chown {user}:{os.getegid()} {' '.join(str(path) for path in locked)}"
    return Check("owner", CheckState.PROBLEM, message, hint, fix)


def _as_user(user: int, workspace: Path) -> str:
    try:
        group = workspace.stat().st_gid
    except OSError:
        group = user
    return f"docker run -e PUID={user} -e PGID={group} …"


def _paths(workspace: Path) -> list[Path]:
    return [workspace / name if name else workspace for name in _FOLDERS]


def _owner_of(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:
        return None


CHECKS: Sequence[Callable[[Installation], list[Check]]] = (_owner,)
