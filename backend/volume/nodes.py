"""Offer the image's custom nodes to ComfyUI, but only those that the volume lacks: it would load both copies."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from backend.volume.disk import Disk, names_in
from backend.volume.places import Places

_SEPARATORS = re.compile(r"[-_. ]+")


class Overlay(NamedTuple):
    """Names of the image's nodes that are offered, and of those that the volume has itself."""

    offered: tuple[str, ...]
    shadowed: tuple[str, ...]


def overlay(disk: Disk, places: Places, further: Sequence[Path] = ()) -> Overlay:
    """Make links to the missing nodes, and the file that tells ComfyUI about them.

    Args:
        further: Folders with custom nodes of other images' volumes.
    Raises:
        OSError: The folder of this container's life cannot be written.
    """
    own = _own_names(places.base / "custom_nodes", *further)
    image = [name for name in names_in(places.image_nodes) if not name.startswith((".", "_"))]
    offered = [name for name in image if _plain(name) not in own]
    disk.folder(places.node_overlay)
    for name in names_in(places.node_overlay):
        if name not in offered:
            disk.remove(places.node_overlay / name)
    for name in offered:
        disk.link(places.node_overlay / name, str(places.image_nodes / name))
    folders = "\n".join(f"    {folder}" for folder in (*further, places.node_overlay))
    disk.file(places.node_paths, f"hearth_nodes:\n  custom_nodes: |\n{folders}\n")
    return Overlay(tuple(offered), tuple(name for name in image if name not in offered))


def _own_names(*folders: Path) -> set[str]:
    """Return the names of nodes that the volume has, the switched-off ones included: they shall stay off."""
    names: set[str] = set()
    for folder in folders:
        names.update(_plain(name) for name in names_in(folder))
        names.update(_plain(name) for name in names_in(folder / ".disabled"))
    return names


def _plain(name: str) -> str:
    """Return *name* as the registry and git would both write it; the registry keeps versions behind an @."""
    stem = os.path.splitext(name)[0] if name.endswith((".py", ".disabled")) else name  # noqa: PTH122
    return _SEPARATORS.sub("-", stem.partition("@")[0]).lower()
