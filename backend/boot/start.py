"""What PID 1 does before it becomes s6: prepare the volume, choose the user and the services, tell what is wrong."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path

from backend.boot import environment, timeline, tree
from backend.boot.service import leave_root
from backend.volume import (
    Found,
    Mount,
    Notice,
    Places,
    User,
    Wishes,
    act_as,
    act_as_root,
    choose,
    choose_workspace,
    prepare,
    read_mounts,
    take,
)


def main(command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Prepare everything and become the services, or *command* as their user; does not return.

    Raises:
        OSError: The folder of this container's life cannot be written, or the program cannot be run.
    """
    _end_when_told()
    born = timeline.born_ms()
    asked = environment.read(environ)
    places = environment.places_of(environ)
    mounts = read_mounts()
    places = choose_workspace(places, mounts, explicit=asked.workspace is not None)
    user = choose(places.workspace, puid=asked.puid, pgid=asked.pgid)
    _clear(places)
    take(places, user)
    _make_run(places, user)
    os.umask(int(asked.umask or "022", 8))
    began = timeline.now_ms()
    act_as(user)
    wishes = Wishes(copies=asked.copies, safe_mode=asked.safe_mode, version=asked.version)
    found = _prepare(places, user, wishes, mounts)
    act_as_root()
    places = places._replace(workspace=Path(found.workspace))
    _name_user(user)
    exported = exports(found, asked, environ)
    definitions = Path(environ.get("HEARTH_S6") or "/etc/s6")
    names = tree.chosen(places, asked, definitions)
    if not command:
        tree.build(places, names, definitions, user)
    told = {"layout": str(found.layout), "written_bytes": found.written_bytes, "user": user.uid}
    ended = timeline.now_ms()
    with suppress(OSError):
        places.timeline.touch()
        os.chown(places.timeline, user.uid, user.gid)
    timeline.append(places.timeline, "container", born, ended, {"boottime_ms": round(timeline.boottime_ms(), 1)})
    timeline.append(places.timeline, "volume", began, ended, told)
    _tell((*asked.notices, *found.notices))
    if command:
        leave_root(exported)
        os.execvpe(command[0], list(command), dict(exported))  # noqa: S606 -- what the user asks for
    script = places.opt / "hearth" / "app" / "scripts" / "start.sh"
    os.execve(script, [str(script)], dict(exported))  # noqa: S606 -- the image's own script


def exports(found: Found, asked: environment.Asked, environ: Mapping[str, str]) -> MutableMapping[str, str]:
    """Return the environment of everything that runs later."""
    workspace = found.workspace
    groups = [str(group) for group in os.getgroups() if group] if os.geteuid() == 0 else []
    exported = {
        **environ,
        "WORKSPACE": workspace,
        "HOME": workspace,  # the user may have no entry in passwd, and caches shall outlive the container
        "USER": environ.get("USER") or ("root" if found.user.uid == 0 else "hearth"),
        "HEARTH_CONTAINER": "1",
        "HEARTH_UID": str(found.user.uid),
        "HEARTH_GID": str(found.user.gid),
        "HEARTH_GROUPS": ",".join(dict.fromkeys([str(found.user.gid), *groups])),
        "HEARTH_UMASK": asked.umask or "022",
        "VIRTUAL_ENV": f"{workspace}/venv",
        "PATH": ":".join(dict.fromkeys([f"{workspace}/venv/bin", *environ.get("PATH", os.defpath).split(":")])),
    }
    exported["LOGNAME"] = exported["USER"]
    if asked.time_zone and Path("/usr/share/zoneinfo", asked.time_zone).is_file():
        exported["TZ"] = asked.time_zone
    if found.model_roots:
        named = [root for root in environ.get("EXTRA_MODEL_PATHS", "").split(",") if root.strip()]
        exported["EXTRA_MODEL_PATHS"] = ",".join(dict.fromkeys([*named, *found.model_roots]))
    return exported


def _prepare(places: Places, user: User, wishes: Wishes, mounts: Sequence[Mount]) -> Found:
    """Prepare the volume; whatever goes wrong, Hearth comes up somewhere to say so."""
    try:
        return prepare(places, user, wishes, mounts)
    except Exception as error:  # noqa: BLE001 -- without this a fault of ours would be a container that only restarts
        said = f"The preparation of {places.workspace} failed: {error!r}. Hearth works in a folder of this container."
        found = prepare(
            places._replace(workspace=places.run / "workspace"), user, wishes._replace(copies=False), mounts
        )
        return found._replace(notices=(Notice("preparation_failed", said), *found.notices))


def _end_when_told() -> None:
    """End at once when told to: to PID 1 a signal without a handler means nothing."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: os._exit(128 + number))


def _clear(places: Places) -> None:
    """Forget the life before a restart of this container; what is not ours to remove stays."""
    for folder in (places.attempts, places.node_overlay, places.services):
        if folder.is_dir():
            import shutil  # 5 ms that only a restart pays

            shutil.rmtree(folder, ignore_errors=True)
    for name in ("timeline.jsonl", "volume.json", "hooks.done", "hearth.done", "copy.json", "comfyui.reboot"):
        with suppress(OSError):
            (places.run / name).unlink(missing_ok=True)


def _make_run(places: Places, user: User) -> None:
    run = Path(os.path.realpath(places.run))  # a link to /tmp in the image, where a read-only root allows it
    run.mkdir(mode=0o755, parents=True, exist_ok=True)
    places.attempts.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        for folder in (run, places.attempts):
            os.chown(folder, user.uid, user.gid)


def _name_user(user: User, passwd: Path = Path("/etc/passwd")) -> None:
    """Give the user of the services a name, which git and ssh ask for; only root can, and only on a writable root."""
    try:
        known = any(line.split(":")[2:3] == [str(user.uid)] for line in passwd.read_text("utf-8").splitlines())
        if not known and os.geteuid() == 0:
            with passwd.open("a", encoding="utf-8") as file:
                file.write(f"user{user.uid}:x:{user.uid}:{user.gid}::/workspace:/bin/bash\n")
    except OSError:
        return


def _tell(notices: Sequence[Notice]) -> None:
    for notice in notices:
        sys.stderr.write(f"[hearth] {notice.code}: {notice.message}{' ' if notice.fix else ''}{notice.fix}\n")
    sys.stderr.flush()
