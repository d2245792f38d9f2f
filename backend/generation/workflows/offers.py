"""Where missing files can be had: presets by place, name or checksum, and files that came from somewhere before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from backend.generation.workflows.ports import Find, Place, Preset, PresetFile, Presets, Records
from backend.generation.workflows.requirements import ModelNeed, Offer, Source


class Offers:
    """Look-ups for :func:`~backend.generation.workflows.requirements.resolve`; every method blocks for a moment."""

    def __init__(self, presets: Presets, records: Records, find: Find) -> None:
        self._presets = presets
        self._records = records
        self._find = find
        self._index = _Index(())

    def preset(self, need: ModelNeed, sha256: str | None) -> Offer | None:
        """Return the file of a preset that has this checksum, this place, or this name in the same category.

        Where nobody knows the category, the name must mean one file only.
        """
        index = self._current()
        if sha256 is not None and sha256 in index.by_sha256:
            return _offer(*index.by_sha256[sha256])
        directory, name = place_of(need.directory or "", need.name)
        found = index.by_place.get((directory, name))
        if found is None:
            named = index.by_name.get(name, ())
            category = directory.partition("/")[0]
            fitting = [pair for pair in named if not category or pair[1].directory.partition("/")[0] == category]
            found = fitting[0] if len({pair[1].directory for pair in fitting}) == 1 else None
        return None if found is None else _offer(*found)

    def known(self, need: ModelNeed, sha256: str | None) -> Offer | None:
        """Return where a file with this checksum, else of this name and category, came from the last time."""
        name = place_of("", need.name)[1]
        for record in self._records():
            if record.source_url is None:
                continue
            same = record.sha256 == sha256 if sha256 is not None else record.path.name == name
            category = need.directory or record.path.parent.name
            if same and (sha256 is not None or category in record.path.parts):
                return Offer(category, name, record.source_url, Source.HASH, record.size_bytes, record.sha256)
        return None

    def covering(self, wanted: Collection[Place]) -> str | None:
        """Return the preset that brings all of *wanted* and nothing else that is not here already; blocking (stats)."""
        index = self._current()
        for preset in index.presets:
            places = {place_of(file.directory, file.name) for file in preset.files}
            if places.issuperset(wanted) and all(
                place in wanted or self._find(*place) is not None for place in sorted(places)
            ):
                return preset.id
        return None

    def _current(self) -> _Index:
        presets = self._presets()
        if presets is not self._index.presets:
            self._index = _Index(presets)
        return self._index


def place_of(directory: str, name: str) -> Place:
    """Return directory and bare name of a file whose name may hold folders: ``("loras", "wan/a.gguf")``."""
    below, _, bare = name.replace("\\", "/").rpartition("/")
    return "/".join(part for part in (directory, below) if part), bare


@dataclass(slots=True)
class _Index:
    """The files of all presets, by what they may be looked for."""

    presets: Sequence[Preset]
    by_place: dict[Place, tuple[Preset, PresetFile]] = field(init=False, default_factory=dict[Place, "_Pair"])
    by_name: dict[str, list[tuple[Preset, PresetFile]]] = field(init=False, default_factory=dict[str, "list[_Pair]"])
    by_sha256: dict[str, tuple[Preset, PresetFile]] = field(init=False, default_factory=dict[str, "_Pair"])

    def __post_init__(self) -> None:
        for pair in _pairs(self.presets):
            place = place_of(pair[1].directory, pair[1].name)
            self.by_place.setdefault(place, pair)
            self.by_name.setdefault(place[1], []).append(pair)
            if pair[1].sha256 is not None:
                self.by_sha256.setdefault(pair[1].sha256, pair)


_Pair = tuple[Preset, PresetFile]


def _pairs(presets: Sequence[Preset]) -> Iterator[_Pair]:
    return ((preset, file) for preset in presets for file in preset.files)


def _offer(preset: Preset, file: PresetFile) -> Offer:
    return Offer(
        directory=file.directory,
        name=file.name,
        url=file.url,
        source=Source.PRESET,
        size_bytes=file.expected_bytes,
        sha256=file.sha256,
        licence=file.licence or preset.licence,
        licence_url=preset.licence_url,
        gated=file.gated,
        preset_id=preset.id,
    )
