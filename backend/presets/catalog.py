"""All presets at one moment, and the holder that swaps in a newer moment at once.

Three layers: what ships with Hearth, a newer catalogue that was fetched (``<workspace>/config/catalog/catalog.json``),
and the user's own files (``<workspace>/config/presets``). The user wins by id; of the other two the higher version wins.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backend.presets.bundle import read_bundle
from backend.presets.definitions import Definitions, definition_files, find_problems, read_folder
from backend.presets.errors import CatalogInvalid, PresetNotFound, PresetRetired
from backend.presets.preset import Origin, Preset, Retired

_serials = itertools.count(1)

SearchFields = tuple[tuple[int, str], ...]
_WEIGHTS = {"id": 20, "name": 16, "tag": 8, "file": 4, "description": 1}


@dataclass(frozen=True, slots=True)
class Catalog:
    """An immutable snapshot of every preset; ``serial`` differs between any two snapshots of one process."""

    presets: tuple[Preset, ...]
    by_id: Mapping[str, Preset]
    aliases: Mapping[str, str]
    retired: Mapping[str, Retired]
    version: str
    warnings: tuple[str, ...]
    sources: Mapping[str, Path]
    users: Mapping[tuple[str, str], tuple[str, ...]]
    search_fields: Mapping[str, SearchFields]
    serial: int = field(default_factory=lambda: next(_serials))

    def get(self, preset_id: str) -> Preset:
        """Return the preset of an id or of one of its older names (in any case).

        Raises:
            PresetRetired: The id was given up; ``details`` say why and what comes closest.
            PresetNotFound: It never led anywhere.
        """
        preset = self.by_id.get(preset_id)
        if preset is None:
            preset = self.by_id.get(self.aliases.get(preset_id.lower(), ""))
        if preset is not None:
            return preset
        retired = self.retired.get(preset_id.lower())
        if retired is not None:
            hint = f"Use {retired.successor} instead." if retired.successor else None
            raise PresetRetired(
                f"The preset {preset_id} was retired: {retired.reason}",
                hint=hint,
                details={"id": preset_id, "reason": retired.reason, "successor": retired.successor},
            )
        raise PresetNotFound(f"There is no preset {preset_id[:80]!r}.")

    def sharing(self, place: tuple[str, str], *, but: str) -> tuple[str, ...]:
        """Return the ids of other presets that need the same file."""
        return tuple(preset_id for preset_id in self.users.get(place, ()) if preset_id != but)


def build_catalog(shipped: Definitions, user: Definitions) -> Catalog:
    """Join the layers; the user's definitions win."""
    own = {preset.id for preset in user.presets}
    presets = [*user.presets, *(preset for preset in shipped.presets if preset.id not in own)]
    presets.sort(key=lambda preset: (natural(preset.name), preset.id))
    by_id = {preset.id: preset for preset in presets}
    aliases: dict[str, str] = {}
    users: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    # Ids in other case come first, then the user's aliases, then the shipped ones: setdefault keeps the first.
    for preset in presets:
        aliases[preset.id.lower()] = preset.id
        for file in preset.files:
            users[file.place].append(preset.id)
    for origin in (Origin.USER, Origin.SHIPPED):
        for preset in presets:
            if preset.origin is origin:
                for alias in preset.aliases:
                    aliases.setdefault(alias.lower(), preset.id)
    return Catalog(
        presets=tuple(presets),
        by_id=by_id,
        aliases=aliases,
        retired={old.lower(): entry for old, entry in {**shipped.retired, **user.retired}.items()},
        version=shipped.version,
        warnings=(*find_problems(shipped), *user.problems),
        sources=user.sources,
        users={place: tuple(ids) for place, ids in users.items()},
        search_fields={preset.id: _search_fields(preset) for preset in presets},
    )


def _search_fields(preset: Preset) -> SearchFields:
    """Lay out the texts in which words are searched, with the weight of each place."""
    texts = {
        "id": (preset.id, *preset.aliases),
        "name": (preset.name,),
        "tag": preset.tags,
        "file": tuple(file.name for file in preset.files),
        "description": (preset.description,),
    }
    return tuple((_WEIGHTS[kind], text.lower()) for kind, entries in texts.items() for text in entries)


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key by which "Wan 2.10" follows "Wan 2.2" and case does not matter."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text.casefold()))


class CatalogStore:
    """Hold the current snapshot; readers take ``current`` without a lock and keep what they took.

    Args:
        shipped: Folder of the catalogue that comes with Hearth.
        updated: File of a fetched catalogue; need not exist.
        user: Folder of the user's definitions; need not exist.
    """

    def __init__(self, shipped: Path, updated: Path, user: Path) -> None:
        self.updated = updated
        self.user = user
        self._shipped_folder = shipped
        self._shipped: Definitions | None = None
        self._seen: object = None
        self._lock = threading.Lock()
        self.current = build_catalog(Definitions(), Definitions())

    def refresh(self, *, force: bool = False) -> bool:
        """Read what changed on disk and swap the snapshot; return whether it was swapped; blocking.

        Cheap when nothing changed: one stat per file of the user and one for the fetched catalogue.
        """
        with self._lock:
            seen = self._fingerprint()
            if seen == self._seen and not force:
                return False
            if self._shipped is None:
                self._shipped = read_folder(self._shipped_folder, Origin.SHIPPED)
            self.current = build_catalog(
                choose_newer(self._shipped, self._read_updated()), read_folder(self.user, Origin.USER)
            )
            self._seen = seen
            return True

    def _read_updated(self) -> Definitions | None:
        try:
            return read_bundle(self.updated.read_bytes()).definitions()
        except FileNotFoundError:
            return None
        except (OSError, CatalogInvalid) as error:
            return Definitions(problems=(f"The fetched catalogue {self.updated.name} is not used: {error}",))

    def _fingerprint(self) -> object:
        stats: list[tuple[str, int, int]] = []
        for path in (self.updated, *definition_files(self.user)):
            try:
                stat = path.stat()
            except OSError:
                continue
            stats.append((str(path), stat.st_mtime_ns, stat.st_size))
        return tuple(stats)


def choose_newer(shipped: Definitions, updated: Definitions | None) -> Definitions:
    """Return the fetched catalogue unless it is unusable or Hearth itself has become newer than it."""
    if updated is None:
        return shipped
    if not updated.presets:
        return Definitions(shipped.presets, shipped.retired, shipped.version, (*shipped.problems, *updated.problems))
    return updated if version_key(updated.version) >= version_key(shipped.version) else shipped


def version_key(version: str) -> tuple[int, ...]:
    """Order versions by their numbers; 2026.3 equals 2026.3.0."""
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
