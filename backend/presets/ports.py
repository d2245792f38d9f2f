"""What the preset service needs from its neighbours, by shape: folders, recorded files, the download queue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from backend.errors import JSON
from backend.kit.files import VerifiedFile
from backend.presets.installation import ModelFolders, VerifiedFiles


class ModelTree(ModelFolders, Protocol):
    """Every folder that model files live in (``backend.paths.ModelPaths``)."""

    def folders(self, directory: str) -> Sequence[Path]:
        """Return every folder that ``find`` looks into for a directory; none for an unknown category."""
        ...

    def roots(self) -> tuple[Path, ...]:
        """Return the model roots, the default first."""
        ...


class Records(VerifiedFiles, Protocol):
    """What was read whole before (``backend.storage.Ledger``); ``version`` grows with every change."""

    @property
    def version(self) -> int: ...  # noqa: D102

    async def record(self, file: VerifiedFile) -> None:
        """Keep a result; durable when it returns."""
        ...


class PresetJob(Protocol):
    """A download job as presets show it (``backend.downloads.DownloadJob``); ``progress_ratio`` runs from 0 to 1."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def state(self) -> str: ...  # noqa: D102
    @property
    def progress_ratio(self) -> float | None: ...  # noqa: D102

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values."""
        ...


class Downloads(Protocol):
    """The download queue (``backend.downloads.DownloadService``)."""

    async def download_preset(self, preset_id: str) -> PresetJob:
        """Queue what is missing of a preset; an unfinished job for it is returned instead of a second one."""
        ...

    def active_for(self, preset_id: str) -> PresetJob | None:
        """Return the unfinished job of a preset."""
        ...

    def activity(self) -> int:
        """Return a number that grows when any job or file changes its state."""
        ...
