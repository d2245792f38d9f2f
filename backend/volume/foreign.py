"""Recognise the volumes of other images, and put their folders in their place by links: nothing is moved or copied.

The folders are those of YanWenKun (``/root/ComfyUI``), mmartial (``/basedir``, ``/comfy/mnt``), RunPod (``/runpod-volume``), its
worker (``/comfyui``), pixeloven (``/app``), AbdBarho (``/data``, ``/output``) and ai-dock (``storage`` on the workspace).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from backend.volume.disk import Disk, is_empty, is_without_links
from backend.volume.mounts import Mount, is_mount
from backend.volume.places import Places

LINKED = ("input", "output", "user", "custom_nodes")
_PLACES = (
    ("runpod", "runpod-volume/ComfyUI"),
    ("runpod", "runpod-volume"),
    ("mmartial", "basedir"),
    ("mmartial", "comfy/mnt/ComfyUI"),
    ("yanwenkun", "root/ComfyUI"),
    ("worker", "comfyui"),
    ("pixeloven", "app/ComfyUI"),
    ("pixeloven", "app"),
    ("opt", "opt/ComfyUI"),
)
_AI_DOCK = "storage/stable_diffusion/models"


class Foreign(NamedTuple):
    """One foreign layout: its folders by the name that ComfyUI has for them."""

    name: str
    base: Path
    folders: dict[str, Path]


class Mapped(NamedTuple):
    """What became of them: further roots of models and folders of nodes that were not linked."""

    model_roots: tuple[Path, ...]
    node_folders: tuple[Path, ...]


def recognise(places: Places, mounts: Sequence[Mount]) -> list[Foreign]:
    """Return the foreign layouts that hold something; what this image itself holds does not count."""
    found: list[Foreign] = []
    for name, below in _PLACES:
        base = places.root / below
        if base in (places.workspace, places.base) or places.workspace.is_relative_to(base):
            continue
        only_mounts = base == places.comfyui or name == "opt"
        folders = {
            folder: base / folder
            for folder in ("models", *LINKED)
            if _counts(base / folder, mounts, only_mounts=only_mounts)
        }
        # A folder called user or input alone is nobody's layout.
        if folders.keys() & {"models", "custom_nodes"} or (only_mounts and folders):
            found.append(Foreign(name, base, folders))
    storage = places.workspace / _AI_DOCK
    if _is_folder(storage):
        found.append(Foreign("ai-dock", storage, {"models": storage}))
    data, output = places.root / "data", places.root / "output"
    if _is_folder(data / "models") and _is_folder(data / "config" / "comfy"):
        nodes = data / "config" / "comfy" / "custom_nodes"
        folders = {"models": data / "models", "custom_nodes": nodes, "output": output}
        found.append(Foreign("abdbarho", data, {name: path for name, path in folders.items() if _is_folder(path)}))
    return found


def map_in(disk: Disk, places: Places, found: Sequence[Foreign], *, persistent: bool) -> Mapped:
    """Link the foreign folders into ComfyUI's base directory where it has none, or none with content.

    Args:
        persistent: The workspace outlives the container: it keeps its own models, foreign ones are read beside them.
    Raises:
        OSError: The volume cannot be written.
    """
    model_roots: list[Path] = []
    node_folders: list[Path] = []
    for layout in found:
        for name, folder in layout.folders.items():
            links = name != "models" or not (persistent or layout.name == "ai-dock")
            if links and _link(disk, places, name, folder):
                continue
            if name == "models":
                model_roots.append(folder)
            elif name == "custom_nodes" and not is_empty(folder):
                node_folders.append(folder)
    return Mapped(tuple(model_roots), tuple(node_folders))


def release(disk: Disk, places: Places) -> list[Path]:
    """Take away links into foreign layouts that lead nowhere now; return other links that do: they are the user's."""
    dead: list[Path] = []
    for name in ("models", *LINKED):
        path = places.base / name
        if path.is_symlink() and not path.exists():
            target = Path(os.path.join(places.base, os.readlink(path)))  # noqa: PTH115, PTH118
            if any(target.is_relative_to(places.root / below) for _, below in _PLACES):
                disk.remove(path)
            else:
                dead.append(path)
    return dead


def _link(disk: Disk, places: Places, name: str, folder: Path) -> bool:
    path = places.base / name
    if path.is_symlink():
        return os.readlink(path) == str(folder)  # noqa: PTH115
    if name == "models" and not is_empty(places.workspace / "models"):
        return False
    if not is_empty(path):
        return False
    disk.folder(places.base)
    disk.remove(path)
    try:
        disk.link(path, str(folder))
    except OSError as error:
        if not is_without_links(error):
            raise
        return False
    return True


def _counts(folder: Path, mounts: Sequence[Mount], *, only_mounts: bool) -> bool:
    return is_mount(folder, mounts) if only_mounts else _is_folder(folder)


def _is_folder(path: Path) -> bool:
    # os.path and not Path: what the user of the services may not look into, such as /root, is nobody's layout.
    return os.path.isdir(path)  # noqa: PTH112
