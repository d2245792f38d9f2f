"""What a later run must know to go on: ``NAME.part.json`` beside ``NAME.part``.

The state is written after the bytes that it claims are on the disk (fdatasync), and atomically, so a crash at any instant
leaves an older claim, never a false one. Anything else that is found - no state, a torn one, one that claims more than the
file has - is worth nothing, and the transfer begins anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from backend.downloads.transfer.ranges import Range, Ranges
from backend.errors import JSON

_VERSION = 1
_MAX_BYTES = 1 << 20  # a state has a few hundred bytes; anything longer is something else
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, RecursionError)


@dataclass(frozen=True, slots=True)
class PartState:
    """The durable ranges, and of which file they are.

    ``identity`` is that of ``RemoteFile``. ``etag`` and ``last_modified`` are as the host sent them; ``date_is_strong``: RFC 9110 allows to
    rely on the latter.
    """

    identity: str
    size_bytes: int | None
    etag: str | None = None
    last_modified: str | None = None
    date_is_strong: bool = False
    sha256: str | None = None
    ranges: tuple[Range, ...] = ()

    def holding(self, ranges: tuple[Range, ...]) -> PartState:
        """Return the state with other ranges."""
        return replace(self, ranges=ranges)


def part_path(destination: Path) -> Path:
    """Return where the unfinished bytes of *destination* are."""
    return destination.with_name(f"{destination.name}.part")


def state_path(destination: Path) -> Path:
    """Return where the state of the unfinished bytes is."""
    return destination.with_name(f"{destination.name}.part.json")


def partial_bytes(destination: Path) -> int | None:
    """Return how many bytes of an unfinished transfer are durable, None when there is none; blocking, cheap."""
    state = load_state(destination)
    return None if state is None else Ranges(state.ranges).total


def discard_partial(destination: Path) -> None:
    """Delete what an unfinished transfer left; blocking.

    Raises:
        OSError: The folder cannot be written.
    """
    # The claim goes first: bytes without a claim are harmless, a claim without its bytes is not.
    state_path(destination).unlink(missing_ok=True)
    part_path(destination).unlink(missing_ok=True)


def is_own_state(destination: Path) -> bool:
    """Tell whether the state was written by a transfer, whatever has become of its part; blocking."""
    try:
        _read(destination)
    except _UNREADABLE:
        return False
    return True


def load_state(destination: Path) -> PartState | None:
    """Read the state, None when there is none that can be trusted; blocking."""
    try:
        state = _read(destination)
        # A part that is shorter than its state claims was cut by somebody else: nothing in it can be trusted.
        if Ranges(state.ranges).end > part_path(destination).stat().st_size:
            return None
    except _UNREADABLE:
        return None
    return state


def save_state(destination: Path, state: PartState) -> None:
    """Write the state so that a reader finds the old one or the new one; blocking.

    Its own fsync is left out: after a power cut the older claim, or none, is as safe as the newer one, and the journal
    would make every writer of the disk wait. A state of zeros, as some file systems leave it, does not parse.

    Raises:
        OSError: The folder cannot be written or is full.
    """
    path = state_path(destination)
    fields: dict[str, JSON] = {
        "version": _VERSION,
        "identity": state.identity,
        "size_bytes": state.size_bytes,
        "etag": state.etag,
        "last_modified": state.last_modified,
        "date_is_strong": state.date_is_strong,
        "sha256": state.sha256,
        "ranges": [list(part) for part in state.ranges],
    }
    temporary = path.with_name(f".{path.name}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.write(handle, json.dumps(fields).encode())
    finally:
        os.close(handle)
    temporary.replace(path)


def _read(destination: Path) -> PartState:
    with state_path(destination).open("rb") as file:
        return _parse(json.loads(file.read(_MAX_BYTES)))


def _parse(fields: object) -> PartState:
    """Take a state apart, refusing whatever it should not hold (ValueError, KeyError or TypeError)."""
    if not isinstance(fields, dict):
        raise TypeError("a state is an object")
    values = cast("Mapping[str, object]", fields)
    if values["version"] != _VERSION:
        raise ValueError("another version")
    size = values["size_bytes"]
    if not isinstance(values["identity"], str) or not (size is None or _is_count(size)):
        raise TypeError("the identity is text, the size a number")
    return PartState(
        identity=values["identity"],
        size_bytes=cast("int | None", size),
        etag=_text(values["etag"]),
        last_modified=_text(values["last_modified"]),
        date_is_strong=values["date_is_strong"] is True,
        sha256=_text(values["sha256"]),
        ranges=_parse_ranges(values["ranges"], cast("int | None", size)),
    )


def _parse_ranges(value: object, size: int | None) -> tuple[Range, ...]:
    ranges: list[Range] = []
    at = 0
    for pair in cast("list[list[int]]", value):
        start, stop = pair
        if not _is_count(start) or not _is_count(stop) or not at <= start < stop or (size is not None and stop > size):
            raise ValueError("ranges are sorted, disjoint and inside the file")
        ranges.append((start, stop))
        at = stop
    return tuple(ranges)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError("a validator is text")
    return value
