"""What workflows need from their neighbours, by shape: presets, files that were read, folders, hosts, the download queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from backend.comfyui import ObjectInfo
from backend.kit.files import VerifiedFile


class PresetFile(Protocol):
    """One file that a preset brings."""

    @property
    def directory(self) -> str: ...  # noqa: D102 -- the names speak
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def url(self) -> str: ...  # noqa: D102
    @property
    def expected_bytes(self) -> int | None: ...  # noqa: D102
    @property
    def sha256(self) -> str | None: ...  # noqa: D102
    @property
    def licence(self) -> str | None: ...  # noqa: D102
    @property
    def gated(self) -> bool: ...  # noqa: D102


class Preset(Protocol):
    """A named set of files."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def files(self) -> Sequence[PresetFile]: ...  # noqa: D102
    @property
    def licence(self) -> str | None: ...  # noqa: D102
    @property
    def licence_url(self) -> str | None: ...  # noqa: D102


Presets: TypeAlias = Callable[[], Sequence[Preset]]
"""Every preset at this moment; the same sequence as long as nothing has changed."""

Records: TypeAlias = Callable[[], Collection[VerifiedFile]]
"""Every file that was ever read whole, also those that are gone."""

Find: TypeAlias = Callable[[str, str], Path | None]
"""Find a file by directory and name in the model folders; blocking."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a host tells about a file before it is fetched; ``gated``: not without a token or an accepted licence."""

    size_bytes: int | None = None
    sha256: str | None = None
    gated: bool = False


Ask: TypeAlias = Callable[[str], Awaitable[Told | None]]
"""Ask the host of an address about the file there; None when it tells nothing."""


class Nodes(Protocol):
    """What the ComfyUIs that are there can do."""

    def known(self) -> Sequence[ObjectInfo]:
        """Return what each that has answered can do.

        Raises:
            HearthError: There is none, or none has answered yet.
        """
        ...

    async def refresh(self) -> None:
        """Ask all of them again."""
        ...


class QueuedJob(Protocol):
    """A job of the download queue."""

    @property
    def id(self) -> str: ...  # noqa: D102


class Downloads(Protocol):
    """The download queue (``backend.downloads.DownloadService``)."""

    async def download_preset(self, preset_id: str, /) -> QueuedJob: ...  # noqa: D102

    async def download_url(  # noqa: D102
        self, url: str, directory: str, name: str | None = None, sha256: str | None = None, /
    ) -> QueuedJob: ...


Place: TypeAlias = "tuple[str, str]"
"""Directory, with folders below it, and name."""
