"""Choose whom the services run as, and take the volume over without ever walking through it.

PUID counts first, then whoever owns the volume. Docker makes new volumes and bind mounts for root: a root-owned folder without
content goes to the image's own user, one with content is an older image's, whose files only root may change.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from backend.volume.disk import is_empty
from backend.volume.findings import User
from backend.volume.places import Places

DEFAULT_UID = 1000


def choose(workspace: Path, *, puid: int | None, pgid: int | None) -> User:
    """Return the user of the services; somebody who is not root now can become nobody else."""
    if os.geteuid() != 0:
        return User(os.geteuid(), os.getegid(), "container")
    if puid is not None:
        return User(puid, puid if pgid is None else pgid, "PUID")
    try:
        stat = workspace.stat()
    except OSError:
        return User(DEFAULT_UID, DEFAULT_UID if pgid is None else pgid, "fresh")
    if stat.st_uid != 0:
        return User(stat.st_uid, stat.st_gid if pgid is None else pgid, "owner")
    if is_empty(workspace):
        return User(DEFAULT_UID, DEFAULT_UID if pgid is None else pgid, "fresh")
    return User(0, 0 if pgid is None else pgid, "root_owned")


def take(places: Places, user: User) -> None:
    """Give the folders that Hearth itself makes on the volume to *user*: about a dozen, never what is in them.

    Only a fresh volume and an explicit PUID are taken; what cannot be given (root is squashed, CIFS) stays as it is.
    """
    if os.geteuid() != 0 or user.reason not in ("fresh", "PUID"):
        return
    with suppress(OSError):
        places.workspace.mkdir(parents=True, exist_ok=True)
    for folder in (places.workspace, *own_folders(places), places.venv, places.hooks):
        try:
            stat = folder.lstat()
            if stat.st_uid != user.uid:
                os.chown(folder, user.uid, user.gid, follow_symlinks=False)
        except OSError:
            continue


def own_folders(places: Places) -> tuple[Path, ...]:
    """Return the folders that Hearth and ComfyUI write to directly."""
    below = ("custom_nodes", "input", "output", "user")
    return (places.config, places.logs, places.base, *(places.base / name for name in below))


def act_as(user: User) -> None:
    """Make files from now on as *user*; :func:`act_as_root` takes it back. Does nothing where it may not."""
    if os.geteuid() == 0 and user.uid != 0:
        with suppress(PermissionError):
            os.setegid(user.gid)
            os.seteuid(user.uid)


def act_as_root() -> None:
    """Return to the user that the process was started by."""
    if os.getuid() != os.geteuid():
        os.seteuid(os.getuid())
        os.setegid(os.getgid())
