"""Keep names inside the model folders, whatever was typed, and whatever links lie on the way."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from backend.paths.categories import CATEGORIES, Category, category_named, category_of_folder
from backend.paths.errors import UnknownCategory, UnsafePath

_MAX_NAME_BYTES = 255  # NAME_MAX of every common Linux file system
_MAX_DEPTH = 16
_TEMPORARY = (".part", ".part.json", ".tmp")
_CHANGED_BY_SHARES = frozenset('<>:"|?*')  # Windows: Naming Files, Paths, and Namespaces


def split_directory(directory: str) -> tuple[Category, tuple[str, ...]]:
    """Return the category that *directory* names and the folders below it.

    Raises:
        UnknownCategory: Its first part is no category.
        UnsafePath: It is absolute, or a part of it cannot be a plain folder name.
    """
    parts = directory.split("/")
    for part in parts:
        check_name(part)
    if len(parts) > _MAX_DEPTH:
        raise UnsafePath(f"More than {_MAX_DEPTH} folders lie in each other.")
    category = category_named(parts[0])
    if category is None:
        raise UnknownCategory(f"{parts[0]!r} is not a kind of model that ComfyUI knows.", hint=_suggestion(parts[0]))
    return category, tuple(parts[1:])


def check_name(name: str) -> str:
    """Return *name* if it is a plain name of one file or folder.

    Raises:
        UnsafePath: It is not.
    """
    if name in ("", ".", ".."):
        raise UnsafePath("A part of the path is empty or leads upwards.")
    if any(letter in "/\\" or not letter.isprintable() for letter in name):
        raise UnsafePath(f"{name!r} holds a separator or a character that cannot be shown.")
    if len(name.encode(errors="replace")) > _MAX_NAME_BYTES:
        raise UnsafePath(f"A name is longer than {_MAX_NAME_BYTES} bytes.")
    return name


def check_new_name(name: str) -> str:
    """Return *name* if something may be given this name.

    Raises:
        UnsafePath: It is no plain name, a share or Windows would change it, or it ends like our temporary files.
    """
    check_name(name)
    if name != name.strip() or name.endswith(".") or any(letter in _CHANGED_BY_SHARES for letter in name):
        raise UnsafePath(f"{name!r} would be changed or refused by a network share.")
    if name.lower().endswith(_TEMPORARY):
        raise UnsafePath(f"{name!r} ends like a temporary file of Hearth.")
    return name


def check_inside(home: Path, folder: Path, root: Path) -> None:
    """See that links on the way from *home* to *folder* stay inside; blocking.

    *home* itself, the folder of the category, may be a link: its owner put it there to keep these files elsewhere.

    Raises:
        UnsafePath: A link below *home* leads out of both *home* and *root*.
    """
    real = Path(os.path.realpath(folder))
    if not any(real.is_relative_to(os.path.realpath(fence)) for fence in (home, root)):
        raise UnsafePath(f"A link below {home.name} leads out of the model folders.")


def _suggestion(name: str) -> str:
    meant = category_of_folder(name)
    close = [meant.name] if meant else difflib.get_close_matches(name, [category.name for category in CATEGORIES], n=1)
    return f"Did you mean {close[0]!r}? {UnknownCategory.default_hint}" if close else UnknownCategory.default_hint
