"""Folders and names outside the fence."""

from __future__ import annotations

from backend.errors import HearthError


class PathError(HearthError):
    """Base of this branch."""

    code = "path_error"
    status = 400


class UnknownCategory(PathError):
    """ComfyUI has no model folder of this name."""

    code = "unknown_category"
    status = 422
    default_hint = "GET /api/paths lists the categories."


class UnsafePath(PathError):
    """The name leads out of the model folders, or cannot be a file name."""

    code = "unsafe_path"
    status = 422
    default_hint = "Use a plain file name, and a category with plain sub-folders below it."


class InvalidModelPaths(PathError):
    """The text would stop ComfyUI or send it to wrong folders; it was not written."""

    code = "invalid_extra_model_paths"
    status = 500
    default_hint = "Look at the section that is named; remove it from the hand-written file."
