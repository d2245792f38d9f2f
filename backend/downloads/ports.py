"""What the queue needs from its neighbours, by shape: folders, recorded files, the files of a preset."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from backend.kit.files import VerifiedFile
from backend.sources import FileRef, RemoteFile

Resolve: TypeAlias = Callable[[FileRef], Awaitable[RemoteFile]]


class Folders(Protocol):
    """Where model files live (``backend.paths.ModelPaths``); every method blocks."""

    def roots(self) -> Sequence[Path]:
        """Return the folders below which all models lie."""
        ...

    def destination(self, directory: str, name: str) -> Path:
        """Return where a file belongs, inside the fence of the model folders, or raise a HearthError."""
        ...

    def find(self, directory: str, name: str) -> Path | None:
        """Return the file in the first model root that has it."""
        ...


class Records(Protocol):
    """What was read whole before (``backend.storage.Ledger``)."""

    async def record(self, file: VerifiedFile) -> None:
        """Keep a result; durable when it returns."""
        ...

    def lookup_sync(self, path: Path) -> VerifiedFile | None:
        """Return the record of a file that is still the same; blocking."""
        ...


class WantedFile(Protocol):
    """One file that a preset needs."""

    @property
    def directory(self) -> str: ...  # noqa: D102 -- the names speak
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def url(self) -> str: ...  # noqa: D102
    @property
    def size_bytes(self) -> int | None: ...  # noqa: D102
    @property
    def size_estimate_bytes(self) -> int | None: ...  # noqa: D102
    @property
    def sha256(self) -> str | None: ...  # noqa: D102
    @property
    def revision(self) -> str | None: ...  # noqa: D102


class PresetFiles(Protocol):
    """A preset as the queue needs it."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def files(self) -> Sequence[WantedFile]: ...  # noqa: D102
