"""Every folder with models, found from one workspace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from backend.paths.categories import CATEGORIES


class ModelPaths:
    """Know the model folders."""

    categories = CATEGORIES

    def __init__(self, workspace: Path, extra: Sequence[str]) -> None:
        self.extra_model_paths = workspace / "ComfyUI" / "extra_model_paths.yaml"
        self._extra = tuple(extra)

    @classmethod
    def open(cls, workspace: Path, extra: Sequence[str]) -> Self:
        """Make the folders of *workspace* and write extra_model_paths.yaml; blocking."""
        return cls(workspace, extra)

    def roots(self) -> tuple[Path, ...]:
        """Return every root, the default first."""
        raise NotImplementedError

    def folder(self, category: str) -> Path:
        """Return where downloads of *category* go."""
        raise NotImplementedError

    def destination(self, directory: str, name: str) -> Path:
        """Return where a file belongs."""
        raise NotImplementedError

    def find(self, directory: str, name: str) -> Path | None:
        """Return the file that ComfyUI would load."""
        raise NotImplementedError

    def refresh(self) -> bool:
        """Look for mounts again; true when extra_model_paths.yaml was written anew."""
        raise NotImplementedError
