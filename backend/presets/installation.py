"""What of a preset is on disk: derived from the files themselves and the record of their verification.

Looking is split from judging. ``Inspector`` collects facts about each place (blocking, one stat per file, the header once
per file that changed); ``judge`` compares them with what a preset expects, without touching the disk.

* installed             the ledger says that these bytes were verified, or their checksum is the expected one
* installed-unverified  right size where one is known and a plausible header, but nobody vouched for the content
* damaged               size, checksum or header contradict
* partial               an unfinished transfer; for a preset: some of its files
* downloading           a job is under way for it, whatever that job is doing
* absent                nothing
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from backend.errors import HearthError
from backend.kit.files import FileIdentity, VerifiedFile
from backend.presets.definitions import address_of
from backend.presets.preset import Preset, PresetFile
from backend.storage import header_problem

Place = tuple[str, str]


class Status(StrEnum):
    """How much of a file or preset is there, and how far it can be trusted."""

    ABSENT = "absent"
    PARTIAL = "partial"
    DOWNLOADING = "downloading"
    INSTALLED = "installed"
    INSTALLED_UNVERIFIED = "installed-unverified"
    DAMAGED = "damaged"


PRESENT = frozenset({Status.INSTALLED, Status.INSTALLED_UNVERIFIED})


class ModelFolders(Protocol):
    """Where model files live (``backend.paths.ModelPaths``)."""

    def find(self, directory: str, name: str) -> Path | None:
        """Return the file in the first model root that has it."""
        ...

    def destination(self, directory: str, name: str) -> Path:
        """Return where the file belongs."""
        ...


class VerifiedFiles(Protocol):
    """What was verified before (``backend.storage.Ledger``)."""

    def match(self, path: Path, identity: FileIdentity) -> VerifiedFile | None:
        """Return the record of a file that is still the same."""
        ...


@dataclass(frozen=True, slots=True)
class ActiveDownload:
    """An unfinished job for a preset."""

    id: str
    state: str
    progress_ratio: float | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the disk and the ledger say about one place."""

    path: Path | None = None
    identity: FileIdentity | None = None
    record: VerifiedFile | None = None
    header_problem: str | None = None
    partial_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class FileState:
    """One file of a preset as it is now; ``problem`` is a sentence when it is damaged."""

    status: Status
    path: Path | None
    bytes_present: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class PresetState:
    """A preset as it is now, its files in the order of the definition."""

    status: Status
    files: tuple[FileState, ...]
    bytes_missing: int | None
    download: ActiveDownload | None = None


class Inspector:
    """Collect facts; every method blocks and belongs in a thread.

    Args:
        partial_bytes: Returns the durable bytes of an unfinished transfer to a destination, or None.
    """

    def __init__(
        self, folders: ModelFolders, ledger: VerifiedFiles, partial_bytes: Callable[[Path], int | None]
    ) -> None:
        self._folders = folders
        self._ledger = ledger
        self._partial_bytes = partial_bytes
        self._headers: dict[str, tuple[FileIdentity, str | None]] = {}

    def look(self, place: Place) -> Facts:
        """Collect what is known about one place now."""
        try:
            path = self._folders.find(*place)
            destination = self._folders.destination(*place)
        except HearthError:
            return Facts()  # a category that this workspace does not have
        identity = _identity(path)
        if path is None or identity is None:
            return Facts(partial_bytes=self._partial_bytes(destination))
        record = self._ledger.match(path, identity)
        problem = None if record is not None and record.verified else self._header_problem(path, identity)
        return Facts(path, identity, record, problem)

    def look_at_all(self, presets: Iterable[Preset]) -> dict[Place, Facts]:
        """Collect facts about every place that any preset names, each once."""
        places = dict.fromkeys(file.place for preset in presets for file in preset.files)
        return {place: self.look(place) for place in places}

    def _header_problem(self, path: Path, identity: FileIdentity) -> str | None:
        key = str(path)
        known = self._headers.get(key)
        if known is None or known[0] != identity:
            try:
                known = (identity, header_problem(path, identity.size_bytes))
            except OSError as error:
                return f"The file cannot be read ({error.strerror})."
            self._headers[key] = known
        return known[1]


def judge_preset(
    preset: Preset, facts: Mapping[Place, Facts], download: ActiveDownload | None, expected: Mapping[str, str]
) -> PresetState:
    """Derive a preset's state.

    Args:
        expected: Checksums that a hub promised for an address when a preset names none.
    """
    files = tuple(judge_file(file, facts.get(file.place, Facts()), download, expected) for file in preset.files)
    return PresetState(_combined(files, download), files, _bytes_missing(preset, files), download)


def judge_file(
    file: PresetFile, facts: Facts, download: ActiveDownload | None, expected: Mapping[str, str]
) -> FileState:
    """Compare one place with what a preset expects there."""
    if facts.identity is None:
        status = Status.ABSENT if facts.partial_bytes is None else Status.PARTIAL
        if download is not None:
            status = Status.DOWNLOADING
        return FileState(status, None, facts.partial_bytes or 0)
    problem = _problem(file, facts, expected.get(file.url))
    if problem is not None:
        status = Status.DAMAGED
    elif _vouched_for(file, facts.record, expected.get(file.url)):
        status = Status.INSTALLED
    else:
        status = Status.INSTALLED_UNVERIFIED
    return FileState(status, facts.path, facts.identity.size_bytes, problem)


def _problem(file: PresetFile, facts: Facts, promised_sha256: str | None) -> str | None:
    assert facts.identity is not None
    size_bytes = facts.identity.size_bytes
    sha256 = file.sha256 or promised_sha256
    if file.size_bytes is not None and size_bytes != file.size_bytes:
        return f"The file has {size_bytes} bytes instead of {file.size_bytes}."
    if facts.record is not None and sha256 is not None and facts.record.sha256 != sha256:
        return "The content is not what the preset expects: the checksum differs."
    return facts.header_problem


def _vouched_for(file: PresetFile, record: VerifiedFile | None, promised_sha256: str | None) -> bool:
    if record is None:
        return False
    if file.sha256 or promised_sha256:
        return True  # it was compared above
    # Without a checksum of our own the record counts only for the content that this preset means.
    known_source = record.source_url is None or address_of(record.source_url) == address_of(file.url)
    return record.verified and known_source


def _combined(files: tuple[FileState, ...], download: ActiveDownload | None) -> Status:
    found = {file.status for file in files}
    if download is not None:
        return Status.DOWNLOADING
    if Status.DAMAGED in found:
        return Status.DAMAGED
    if found == {Status.INSTALLED}:
        return Status.INSTALLED
    if found <= PRESENT:
        return Status.INSTALLED_UNVERIFIED
    return Status.ABSENT if found == {Status.ABSENT} else Status.PARTIAL


def _bytes_missing(preset: Preset, states: tuple[FileState, ...]) -> int | None:
    missing = 0
    for file, state in zip(preset.files, states, strict=True):
        if state.status in PRESENT:
            continue
        if file.expected_bytes is None:
            return None
        kept = 0 if state.status is Status.DAMAGED else state.bytes_present
        missing += max(0, file.expected_bytes - kept)
    return missing


def _identity(path: Path | None) -> FileIdentity | None:
    try:
        return None if path is None else FileIdentity.of(path)
    except OSError:
        return None
