"""Build the scan directory of s6: one folder for each service that this image has and this container wants."""

from __future__ import annotations

import os
from pathlib import Path

from backend.boot.environment import Asked
from backend.volume import Places, User

_SCAN = ".s6-svscan"
# What a variant must bring so that the service exists.
_PROGRAMS = {
    "comfyui": "ComfyUI/main.py",
    "code-server": "code-server/bin/code-server",
    "jupyter": "jupyter/bin/jupyter-lab",
}


def chosen(places: Places, asked: Asked, definitions: Path) -> list[str]:
    """Return the names of the services of this container, in the order of their importance."""
    names = ["nginx", "hearth", *_PROGRAMS, "sshd"]
    return [
        name
        for name in names
        if (definitions / name / "run").is_file()
        and name not in asked.switched_off
        and (name not in _PROGRAMS or (places.opt / _PROGRAMS[name]).exists())
        and (name != "sshd" or (asked.public_key and os.geteuid() == 0))
    ]


def build(places: Places, names: list[str], definitions: Path, user: User) -> None:
    """Make the scan directory anew: the files are links into the image, so it may lie where nothing can be executed.

    The user of the services may steer them all, and none of what s6 itself keeps there.

    Raises:
        OSError: The folder of this container's life cannot be written.
    """
    if places.services.exists():
        import shutil  # 5 ms that only a restart pays

        shutil.rmtree(places.services)
    _link_all(definitions / _SCAN, places.services / _SCAN)
    for name in names:
        folder = places.services / name
        _link_all(definitions / name, folder)
        _let_steer(folder, user)
        if (definitions / name / "log").is_dir():
            _link_all(definitions / name / "log", folder / "log")


def _link_all(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for entry in source.iterdir():
        if not entry.is_dir():
            (target / entry.name).symlink_to(entry)


def _let_steer(folder: Path, user: User) -> None:
    """Make what s6-supervise would make for its own user alone, for the user of the services (s6-svperms(8) does the same)."""
    supervise, event = folder / "supervise", folder / "event"
    supervise.mkdir(mode=0o755)
    os.mkfifo(supervise / "control", 0o600)
    event.mkdir()
    if os.geteuid() == 0:
        os.chown(supervise / "control", user.uid, user.gid)
        os.chown(event, 0, user.gid)
    event.chmod(0o3730)
