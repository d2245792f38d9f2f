"""Know what lies in the model folders without looking at every file again and again.

A folder's modification time changes when a name in it appears, goes or is exchanged, so places in an unchanged folder
are looked at again only when they hold a file, to see whether that was overwritten in place. One look at a whole
catalogue so costs one stat per folder and one per file that is there, which network volumes can bear every second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from backend.kit.clock import utc_now
from backend.kit.files import FileIdentity
from backend.presets.catalog import Catalog
from backend.presets.installation import Facts, Inspector, Place
from backend.presets.ports import ModelTree

# A change that follows within the resolution of a file system's clock leaves the same time (ext4: 4 ms, some network
# file systems: 2 s), so a folder that changed this recently is looked at again whatever its time says.
_CLOCK_RESOLUTION_S = 2.5

_Mark = tuple[tuple[Path, int, int], ...]


class DiskWatch:
    """Keep the facts about every place that a catalogue names; used by one thread at a time."""

    def __init__(self, folders: ModelTree, inspector: Inspector) -> None:
        self._folders = folders
        self._inspector = inspector
        self._facts: Mapping[Place, Facts] = {}
        self._marks: dict[str, _Mark | None] = {}
        self._ledger_version = -1
        self._serial = -1

    def refresh(self, catalog: Catalog, ledger_version: int) -> Mapping[Place, Facts]:
        """Look where something may have changed; blocking.

        Returns:
            The facts about every place. What did not change is the same object as before, the mapping too.
        """
        if catalog.serial != self._serial:
            self._marks = {}
        by_directory: defaultdict[str, list[Place]] = defaultdict(list)
        for place in catalog.users:
            by_directory[place[0]].append(place)
        found: dict[Place, Facts] = {}
        for directory, places in by_directory.items():
            mark = _mark_of(self._folders.folders(directory))
            changed = mark is None or self._marks.get(directory) != mark
            self._marks[directory] = mark
            for place in places:
                found[place] = self._look(place, again=changed, recorded=ledger_version != self._ledger_version)
        self._serial, self._ledger_version = catalog.serial, ledger_version
        if found.keys() != self._facts.keys() or any(found[place] is not self._facts[place] for place in found):
            self._facts = found
        return self._facts

    def _look(self, place: Place, *, again: bool, recorded: bool) -> Facts:
        known = self._facts.get(place)
        if known is None:
            return self._inspector.look(place)
        if not again and (known.path is None or (not recorded and _identity(known.path) == known.identity)):
            return known
        facts = self._inspector.look(place)
        return known if known == facts else facts


def _mark_of(folders: Sequence[Path]) -> _Mark | None:
    """Return what changes with the names in *folders*, or None when they changed too recently to tell."""
    recent_ns = (utc_now().timestamp() - _CLOCK_RESOLUTION_S) * 1e9
    mark: list[tuple[Path, int, int]] = []
    for folder in folders:
        try:
            stat = folder.stat()
        except OSError:
            mark.append((folder, 0, 0))
            continue
        if stat.st_mtime_ns > recent_ns:
            return None
        mark.append((folder, stat.st_mtime_ns, stat.st_ino))
    return tuple(mark)


def _identity(path: Path) -> FileIdentity | None:
    try:
        return FileIdentity.of(path)
    except OSError:
        return None
