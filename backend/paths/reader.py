"""Read extra_model_paths.yaml exactly as ComfyUI does, so that nothing is written that ComfyUI could not start with.

Follows ``utils/extra_config.py`` and ``folder_paths.py`` of ComfyUI 0.3.64 (unchanged in 0.26): each top-level section maps
categories to a string with one folder per line; ``base_path`` is expanded, the lines are not; ``is_default`` puts each line
in front of those before it. Any other shape raises there and ComfyUI does not start.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias, cast

import yaml

from backend.paths.errors import InvalidModelPaths

Sections: TypeAlias = dict[str, dict[str, str | bool]]
SearchPaths: TypeAlias = dict[str, list[str]]

_COMFYUI_LEGACY = {"unet": "diffusion_models", "clip": "text_encoders"}


def read_sections(text: str) -> Sections:
    """Parse *text* into its sections, without those that are empty.

    Raises:
        InvalidModelPaths: ComfyUI would end with an exception; the message names the section.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidModelPaths(f"It is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(document, dict):
        raise InvalidModelPaths("It has no sections.")
    named = cast("dict[object, object]", document)
    return {str(name): check_section(str(name), section) for name, section in named.items() if section is not None}


def check_section(name: str, section: object) -> dict[str, str | bool]:
    """Return *section* if ComfyUI can read it, with ``is_default`` as the truth value that ComfyUI takes it for.

    Raises:
        InvalidModelPaths: It cannot; the message says why.
    """
    if not isinstance(section, dict):
        raise InvalidModelPaths(f"Section {name!r} holds no folders by category.")
    checked: dict[str, str | bool] = {}
    for key, value in cast("dict[object, object]", section).items():
        if key == "is_default":
            checked["is_default"] = bool(value)
        elif not isinstance(value, str):
            raise InvalidModelPaths(f"{key!r} in section {name!r} is not text.")
        elif "\0" in value:
            raise InvalidModelPaths(f"{key!r} in section {name!r} holds a NUL character.")
        else:
            checked[str(key)] = value
    return checked


def add_sections(sections: Mapping[str, Mapping[str, str | bool]], directory: Path, paths: SearchPaths) -> SearchPaths:
    """Add the folders of *sections* to *paths* in the order in which ComfyUI searches them.

    Args:
        directory: Folder of the file, to which relative folders are relative.
        paths: Folders by category that ComfyUI knows before it reads the file; changed and returned.
    """
    for section in sections.values():
        base = _base(str(section.get("base_path", "")), directory)
        first = section.get("is_default") is True
        for key, lines in section.items():
            if key in ("base_path", "is_default"):
                continue
            for line in filter(None, str(lines).split("\n")):
                folder = os.path.normpath(base / line)
                _add(paths.setdefault(_COMFYUI_LEGACY.get(key, key), []), folder, first=first)
    return paths


def _base(base_path: str, directory: Path) -> Path:
    directory = Path(os.path.abspath(directory))  # noqa: PTH100 -- resolves no links, as ComfyUI
    # An absolute right side of "/" replaces the left one, as os.path.join does.
    return directory / os.path.expandvars(os.path.expanduser(base_path)) if base_path else directory  # noqa: PTH111


def _add(folders: list[str], folder: str, *, first: bool) -> None:
    if folder in folders:
        if first:
            folders.remove(folder)
            folders.insert(0, folder)
    elif first:
        folders.insert(0, folder)
    else:
        folders.append(folder)
