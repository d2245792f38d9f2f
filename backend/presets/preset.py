"""The values of this feature: a preset, its files, and where a category stands in the list."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """What a preset makes."""

    VIDEO = "video"
    IMAGE = "image"
    AUDIO = "audio"
    THREE_D = "3d"
    TOOLS = "tools"


CATEGORY_NAMES = {
    Category.VIDEO: "Video",
    Category.IMAGE: "Image",
    Category.AUDIO: "Audio",
    Category.THREE_D: "3D",
    Category.TOOLS: "Tools",
}


class Origin(StrEnum):
    """Who wrote a definition."""

    SHIPPED = "shipped"
    USER = "user"


@dataclass(frozen=True, slots=True)
class PresetFile:
    """One file that a preset needs; ``size_bytes`` is exact, ``size_estimate_bytes`` only for display and plans."""

    directory: str
    name: str
    url: str
    size_bytes: int | None = None
    size_estimate_bytes: int | None = None
    sha256: str | None = None
    revision: str | None = None
    licence: str | None = None
    gated: bool = False

    @property
    def place(self) -> tuple[str, str]:
        """Directory and name: files with the same place are the same file on disk."""
        return (self.directory, self.name)

    @property
    def expected_bytes(self) -> int | None:
        """The best knowledge of the size: exact, else estimated, else None."""
        return self.size_bytes if self.size_bytes is not None else self.size_estimate_bytes


@dataclass(frozen=True, slots=True)
class Preset:
    """A named set of model files that belong together."""

    id: str
    name: str
    category: Category
    description: str
    files: tuple[PresetFile, ...]
    tags: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    min_vram_bytes: int | None = None
    licence: str | None = None
    licence_url: str | None = None
    homepage: str | None = None
    aliases: tuple[str, ...] = ()
    origin: Origin = Origin.SHIPPED

    @property
    def gated(self) -> bool:
        """Whether any file asks for an accepted licence and a token."""
        return any(file.gated for file in self.files)

    @property
    def size_bytes(self) -> int | None:
        """The bytes of all files, or None as long as one is unknown."""
        sizes = [file.expected_bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def size_is_estimate(self) -> bool:
        """Whether any file's size is not exact."""
        return any(file.size_bytes is None for file in self.files)


@dataclass(frozen=True, slots=True)
class Retired:
    """Why an old id was given up, and what comes closest."""

    reason: str
    successor: str | None = None
