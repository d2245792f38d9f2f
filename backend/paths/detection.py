"""Find folders with models beside the workspace: mounted volumes, and what the user names.

A folder counts as a root when it holds a folder that only model collections have; ``vae`` or ``unet`` alone do not count,
because every diffusers repository has them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from backend.paths.categories import CATEGORIES, FOREIGN_FOLDERS, category_of_folder

PROBES = (Path("/models"), Path("/runpod-volume"))

_BELOW = (Path(), Path("models"), Path("ComfyUI/models"))
_MAX_ENTRIES = 256  # folders looked into one level below; a dataset mounted by mistake must not cost minutes
_AMBIGUOUS = {
    "vae", "unet", "clip", "text_encoder", "controlnet", "configs", "diffusers", "classifiers", "detection", "sams",
    "llm", "tts",
}  # fmt: skip
_KNOWN = {folder.lower() for category in CATEGORIES for folder in category.folders} | FOREIGN_FOLDERS.keys()
_TELLING = _KNOWN - _AMBIGUOUS


def detect_roots(extra: Sequence[str], probes: Sequence[Path] = PROBES) -> list[Path]:
    """Return the roots in search order, without repetition; blocking (lists a few folders).

    Args:
        extra: Folders that the user names: each counts even when nothing is in it yet, unless it does not exist.
        probes: Places where volumes are mounted; they count when they hold models, or are a mount named ``models``.
    """
    found: list[Path] = []
    for entry in extra:
        named = Path(os.path.abspath(Path(entry).expanduser()))  # noqa: PTH100 -- keeps links, which may move
        found += _recognised(named) or ([named] if named.is_dir() else [])
    for probe in probes:
        found += _recognised(probe) or ([probe] if probe.name == "models" and probe.is_mount() else [])
    return [root for root in distinct(found) if can_be_listed(root)]


def distinct(roots: Sequence[Path]) -> list[Path]:
    """Drop roots that are another one under a second name; blocking."""
    by_place: dict[str, Path] = {}
    for root in roots:
        by_place.setdefault(os.path.realpath(root), root)
    return list(by_place.values())


def can_be_listed(root: Path) -> bool:
    """Tell whether extra_model_paths.yaml can name *root*: it separates folders by lines and is UTF-8."""
    text = str(root)
    return "\n" not in text and "\r" not in text and text == text.encode(errors="replace").decode()


def folders_in(root: Path) -> dict[str, list[str]]:
    """Return the folders of *root* that hold models, by category, in ComfyUI's order; blocking.

    Standard folders of ComfyUI are named whether or not they exist, because it accepts missing ones and finds them as
    soon as they appear; those of custom nodes and of other programs only when they exist.
    """
    listed: dict[str, list[str]] = {category.name: list(category.folders) for category in CATEGORIES if category.core}
    for name in _folder_names(root):
        category = category_of_folder(name)
        if category is not None and name not in listed.setdefault(category.name, []):
            listed[category.name].append(name)
    return listed


def _recognised(place: Path) -> list[Path]:
    """Return the roots at *place*: itself, its usual sub-folders, or else what lies one level below."""
    usual = [place / below for below in _BELOW if _holds_models(place / below)]
    return usual or [place / name for name in _folder_names(place) if _holds_models(place / name)]


def _holds_models(place: Path) -> bool:
    return any(name.lower() in _TELLING for name in _folder_names(place))


def _folder_names(place: Path) -> list[str]:
    try:
        return sorted(_take_folders(place))
    except OSError:
        return []  # not there, not mounted now, or not ours to read


def _take_folders(place: Path) -> Iterator[str]:
    with os.scandir(place) as entries:
        for count, entry in enumerate(entries):
            if count >= _MAX_ENTRIES:
                return
            if not entry.name.startswith(".") and entry.is_dir():
                yield entry.name
