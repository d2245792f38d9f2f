"""Names of workflows: what people type, what stands on disk, and the id that stands in addresses.

A file is named as its owner named the workflow; the id is a slug of it, with the folder before a ``~``. So an id never
holds a slash, a dot at its beginning, or anything else that means something to a file system or an address.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

from backend.generation.workflows.errors import InvalidWorkflowName

SEPARATOR = "~"
_MAX_NAME_BYTES = 200  # leaves room below NAME_MAX (255) for suffixes and temporary names
_UNSAFE = frozenset('<>:"/\\|?*')  # what Windows and network shares change or refuse
_DEVICE = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


def slug(name: str) -> str:
    """Return a name as lower-case words joined by ``-``; letters of other scripts stay, accents go."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
    return re.sub(r"[\W_]+", "-", plain.lower()).strip("-")[:80].strip("-") or "workflow"


def workflow_id(folder: str | None, name: str) -> str:
    """Return the id of a workflow of this name in this folder."""
    return slug(name) if folder is None else f"{slug(folder)}{SEPARATOR}{slug(name)}"


def checked_name(name: str, what: str = "name") -> str:
    """Return *name*, without blanks around, if a file may be called so.

    Raises:
        InvalidWorkflowName: It is empty, too long, or would be changed or hidden by a file system.
    """
    trimmed = unicodedata.normalize("NFC", name).strip()
    if not trimmed or trimmed.startswith(".") or trimmed.endswith("."):
        raise InvalidWorkflowName(f"The {what} {name!r} is empty or begins or ends with a dot.")
    if any(each in _UNSAFE or not each.isprintable() for each in trimmed) or _DEVICE.match(trimmed):
        raise InvalidWorkflowName(f"The {what} {name!r} has characters that file names cannot have.")
    if len(trimmed.encode()) > _MAX_NAME_BYTES:
        raise InvalidWorkflowName(f"The {what} is longer than {_MAX_NAME_BYTES} bytes.")
    return trimmed


def name_of_upload(filename: str) -> str:
    """Make a usable name of the name of an uploaded file."""
    stem = filename.replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or filename
    cleaned = "".join(" " if each in _UNSAFE or not each.isprintable() else each for each in stem).strip(" .")
    shortened = cleaned.encode()[:_MAX_NAME_BYTES].decode(errors="ignore").strip()
    return shortened if shortened and not _DEVICE.match(shortened) else "Workflow"


def free_name(name: str, folder: str | None, taken: Container[str]) -> str:
    """Return *name*, with a number behind it where its id is taken."""
    candidate, number = name, 1
    while workflow_id(folder, candidate) in taken:
        number += 1
        candidate = f"{name} {number}"
    return candidate
