"""Make a volume ready for ComfyUI and Hearth in tens of milliseconds: folders, links, small files, nothing copied.

It runs before anything else of the container, so it uses the standard library alone, and every step leaves the volume in a state
that the next start understands.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from backend.volume import copying, foreign, nodes, owner, venv
from backend.volume.disk import Disk, is_empty, is_without_links, may_write, names_in
from backend.volume.findings import Found, LayoutKind, Notice, Packages, User
from backend.volume.mounts import Mount, filesystem_of, is_mount, is_persistent
from backend.volume.places import Places

LAYOUT = 1
_LOW_BYTES = 512 * 1024 * 1024

# Manager asks uv by default, which does not see the image's packages and would fetch them anew.
_MANAGER = "[default]\nuse_uv = False\n"


class Wishes(NamedTuple):
    """What the environment asks of the volume.

    Args:
        copies: The copy strategy.
        safe_mode: The switch on the volume counts as well.
        version: The image, for the mark of a copy.
    """

    copies: bool = False
    safe_mode: bool = False
    version: str = "local"


def choose_workspace(places: Places, mounts: Sequence[Mount], *, explicit: bool) -> Places:
    """Use RunPod's volume where it is all there is: serverless workers mount it elsewhere than pods do."""
    volume = places.root / "runpod-volume"
    if explicit or not is_mount(volume, mounts) or is_persistent(places.workspace, mounts):
        return places
    return places._replace(workspace=volume) if is_empty(places.workspace) else places


def classify(places: Places, found: Sequence[foreign.Foreign]) -> LayoutKind:
    """Say whose files lie on the volume, before anything is changed."""
    copied = copying.is_complete(places)
    checkout = (places.base / "main.py").is_file() and (places.base / "comfy").is_dir() and not copied
    if checkout or (venv.is_full(places.venv) and not copied) or venv.legacy_venvs(places.workspace):
        return LayoutKind.LEGACY
    if places.layout_mark.exists() or (places.config / "hearth.db").exists():
        return LayoutKind.CURRENT
    if found:
        return LayoutKind.FOREIGN
    return LayoutKind.FOREIGN if names_in(places.workspace) else LayoutKind.FRESH


def prepare(places: Places, user: User, wishes: Wishes, mounts: Sequence[Mount]) -> Found:
    """Prepare the volume as the user that this process acts as, and write ``volume.json``.

    A volume that cannot be written is left alone: a folder of this container takes its place, so that Hearth can say what is
    wrong, and its models are used where they are.

    Raises:
        OSError: Not even the folder of this container's life can be written.
    """
    disk = Disk()
    disk.folder(places.run)
    try:
        found = _prepare(disk, places, user, wishes, mounts)
    except OSError as error:
        notice = _unusable(places, user, error)
        instead = places._replace(workspace=places.run / "workspace")
        found = _prepare(disk, instead, user, wishes._replace(copies=False), mounts)
        roots = [folder for folder in (places.base / "models", places.workspace / "models") if folder.is_dir()]
        found = found._replace(
            requested=str(places.workspace),
            ephemeral=True,
            filesystem=filesystem_of(places.workspace, mounts),
            model_roots=(*map(str, roots), *found.model_roots),
            notices=(notice, *(note for note in found.notices if note.code != "workspace_not_mounted")),
        )
    found = found._replace(written_bytes=disk.written_bytes)
    disk.file(places.found, json.dumps(found.to_json(), indent=1))
    return found


def _prepare(disk: Disk, places: Places, user: User, wishes: Wishes, mounts: Sequence[Mount]) -> Found:
    persistent = is_persistent(places.workspace, mounts)
    others = foreign.recognise(places, mounts)
    kind = classify(places, others)
    disk.folder(places.workspace)
    dead = foreign.release(disk, places)
    mapped = foreign.map_in(disk, places, others, persistent=persistent)
    for folder in (*owner.own_folders(places), places.hooks / "pre-start.d", places.hooks / "post-start.d"):
        if folder not in dead:
            disk.folder(folder)
    for folder in (places.workspace, places.config, places.base):
        if not may_write(folder):
            raise PermissionError(13, "Permission denied", str(folder))
    layer = _environment(disk, places, copies=wishes.copies)
    _seed_manager(disk, places)
    overlay = nodes.overlay(disk, places, mapped.node_folders)
    _mark(disk, places)
    safe = wishes.safe_mode or places.safe_mode_switch.exists()
    filesystem = filesystem_of(places.workspace, mounts)._replace(
        symlinks=layer.symlinks, hard_links=_has_hard_links(disk, places.config)
    )
    notices = (
        *_about_space(places, persistent=persistent, free=filesystem.free_bytes),
        *_about_owner(places, user),
        *_about_links(places, dead, hard_links=filesystem.hard_links),
        *_about_copy(places, wishes),
        *layer.notices,
    )
    return Found(
        workspace=str(places.workspace),
        requested=str(places.workspace),
        ephemeral=not persistent,
        filesystem=filesystem,
        layout=kind,
        foreign=tuple(dict.fromkeys(layout.name for layout in others)),
        user=user,
        strategy="copy" if wishes.copies else "thin",
        safe_mode=safe,
        interpreter=str(places.opt / "venv" / "bin" / "python" if safe else layer.python),
        python=layer.packages,
        legacy_venvs=tuple(map(str, layer.legacy)),
        model_roots=tuple(map(str, mapped.model_roots)),
        image_nodes=overlay.offered,
        shadowed_nodes=overlay.shadowed,
        logs=str(places.logs) if may_write(places.logs) else "",
        notices=notices,
        written_bytes=disk.written_bytes,
    )


def _environment(disk: Disk, places: Places, *, copies: bool) -> venv.Layer:
    if copies and copying.is_complete(places):
        nothing = Packages(places.minor, None, ())
        return venv.Layer(places.venv / "bin" / "python", True, nothing, venv.legacy_venvs(places.workspace), ())
    if not copies:
        disk.remove(places.copy_mark)  # its environment is put aside now: a later copy begins anew
    return venv.layer(disk, places)


def _seed_manager(disk: Disk, places: Places) -> None:
    """Give ComfyUI-Manager its first settings. It keeps them where ComfyUI keeps the system's users, if that knows any."""
    try:
        has_system_users = b"get_system_user_directory" in (places.comfyui / "folder_paths.py").read_bytes()
    except OSError:
        has_system_users = True
    below = "__manager" if has_system_users else "default/ComfyUI-Manager"
    settings = places.base / "user" / below / "config.ini"
    if not os.path.lexists(settings):
        disk.folder(settings.parent)
        disk.file(settings, _MANAGER)


def _mark(disk: Disk, places: Places) -> None:
    disk.file(places.layout_mark, json.dumps({"layout": LAYOUT, "python": places.minor}) + "\n")


def _has_hard_links(disk: Disk, folder: Path) -> bool | None:
    source, target = folder / ".hearth-probe", folder / ".hearth-probe-link"
    try:
        disk.file(source, "")
        disk.remove(target)
        os.link(source, target)
    except OSError as error:
        return False if is_without_links(error) else None
    finally:
        disk.remove(target)
        disk.remove(source)
    return True


def _unusable(places: Places, user: User, error: OSError) -> Notice:
    where = places.workspace
    lost = "Hearth works in a folder of this container, and everything in it is lost with the container."
    if error.errno == 28:
        return Notice("volume_full", f"{where} is full. {lost}", f"Free space on {where}, then restart the container.")
    if error.errno == 30:
        return Notice("volume_read_only", f"{where} is read-only. {lost}", "Mount it without :ro.")
    said = f"{error.filename or where} cannot be written by user {user.uid} ({error.strerror}). {lost}"
    return Notice("volume_not_writable", said, _take_over(user))


def _take_over(user: User) -> str:
    return (
        f"sudo chown -R {user.uid}:{user.gid} FOLDER, where FOLDER is what you mount; or start with its owner as PUID."
    )


def _about_space(places: Places, *, persistent: bool, free: int) -> tuple[Notice, ...]:
    if not persistent:
        said = f"Nothing is mounted at {places.workspace}: models, results and settings are lost with the container."
        return (Notice("workspace_not_mounted", said, f"docker run -v hearth:{places.workspace} …"),)
    if 0 < free < _LOW_BYTES:
        said = f"{places.workspace} has {free // 1024**2} MB left; downloads and results will fail."
        return (Notice("volume_nearly_full", said, f"Free space on {places.workspace}."),)
    return ()


def _about_owner(places: Places, user: User) -> tuple[Notice, ...]:
    folders = (*owner.own_folders(places), places.base / "models", places.venv)
    closed = [folder for folder in folders if folder.is_dir() and not may_write(folder)]
    if not closed:
        return ()
    names = ", ".join(str(folder.relative_to(places.workspace)) for folder in closed)
    said = f"User {user.uid} cannot write in {names} on {places.workspace}: they belong to somebody else."
    return (Notice("uid_mismatch", said, _take_over(user)),)


def _about_links(places: Places, dead: Sequence[Path], *, hard_links: bool | None) -> tuple[Notice, ...]:
    notices = [
        Notice("dead_link", f"{path} is a link that leads nowhere.", f"Mount its target, or remove it: rm {path}")
        for path in dead
    ]
    if hard_links is False:
        said = f"{places.workspace} has no hard links: files that are needed twice are copied."
        notices.append(Notice("no_hard_links", said))
    return tuple(notices)


def _about_copy(places: Places, wishes: Wishes) -> tuple[Notice, ...]:
    version = copying.copied_version(places) if wishes.copies else None
    if version in (None, wishes.version):
        return ()
    said = f"ComfyUI on {places.workspace} is a copy of image {version}; this image is {wishes.version}."
    cure = f"To copy it anew, move {places.base}/*.py, {places.base}/comfy* and {places.venv} away and remove {places.copy_mark}."
    return (Notice("copy_outdated", said, cure),)
