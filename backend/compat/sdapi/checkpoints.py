"""Checkpoints under the many names that A1111's clients have for one file."""

from __future__ import annotations

from pathlib import PurePosixPath

from backend.compat.errors import NoSuchModel
from backend.compat.workflow import Workflow
from backend.errors import JSON
from backend.generation.workflows import Role


def checkpoints_of(workflow: Workflow) -> list[str]:
    """List the files that the workflow's loader can open, as ComfyUI names them: with sub-folders and ending."""
    field = workflow.role(Role.CHECKPOINT)
    return [] if field is None else [choice for choice in field.choices or () if isinstance(choice, str)]


def current_checkpoint(workflow: Workflow) -> str:
    """Return the file that the workflow opens by itself; of those that are there, when its own is not."""
    field, there = workflow.role(Role.CHECKPOINT), checkpoints_of(workflow)
    own = field.default if field is not None and isinstance(field.default, str) else ""
    return own if own in there or not there else there[0]


def find_checkpoint(workflow: Workflow, name: str) -> str:
    """Return the file that *name* means: its path, title (``name.safetensors [hash]``), file name or stem.

    Raises:
        NoSuchModel: None of them.
    """
    wanted = name.partition(" [")[0].strip().replace("\\", "/").lower()
    there = checkpoints_of(workflow)
    for of in (str, _file_name, _stem):
        found = next((each for each in there if of(each).lower() == wanted), None)
        if found is not None:
            return found
    listed = ", ".join(there[:10]) or "none"
    raise NoSuchModel(f"There is no checkpoint {name[:200]!r}.", hint=f"Checkpoints here: {listed}.")


def describe(checkpoint: str) -> dict[str, JSON]:
    """Return an entry of A1111's list; hashes are left out, as A1111 does for files it has not read yet."""
    return {
        "title": checkpoint, "model_name": _stem(checkpoint), "hash": None, "sha256": None, "filename": checkpoint,
        "config": None,
    }  # fmt: skip


def _file_name(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name


def _stem(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).stem
