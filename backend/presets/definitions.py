"""Read preset files from a folder, and judge a set of definitions as a whole.

Reading never raises for what a file holds: each bad file becomes one sentence in ``problems`` and the rest stays usable.
The generator, the tests and the catalogue update insist on no problems; a start only warns.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from backend.errors import JSON
from backend.presets.errors import InvalidPreset
from backend.presets.preset import Origin, Preset, PresetFile, Retired
from backend.presets.schema import parse_aliases, parse_preset, to_preset, to_retired

ALIASES_NAME = "aliases.json"
SCHEMA_NAME = "schema.json"
MAX_FILE_BYTES = 1 << 20
_REVISION_IN_PATH = re.compile(r"/resolve/[^/]+/")


@dataclass(frozen=True, slots=True)
class Definitions:
    """What one place defines: presets, ids that were given up, and what could not be read."""

    presets: tuple[Preset, ...] = ()
    retired: dict[str, Retired] = field(default_factory=dict[str, Retired])
    version: str = "0"
    problems: tuple[str, ...] = ()
    sources: dict[str, Path] = field(default_factory=dict[str, Path])


def read_folder(folder: Path, origin: Origin) -> Definitions:
    """Read every ``*.json`` in *folder* and one level below; blocking.

    A missing folder defines nothing. Of two files with one id the first by path counts.
    """
    presets: dict[str, Preset] = {}
    sources: dict[str, Path] = {}
    problems: list[str] = []
    retired: dict[str, Retired] = {}
    version = "0"
    for path in definition_files(folder):
        label = path.relative_to(folder).as_posix()
        try:
            text = _read_bounded(path)
            if path.name == ALIASES_NAME:
                document = parse_aliases(text)
                retired, version = to_retired(document), document.version
                continue
            preset = to_preset(parse_preset(text), origin)
        except InvalidPreset as error:
            problems.append(f"{label}: {error.message}")
            continue
        except OSError as error:
            problems.append(f"{label}: cannot be read ({error.strerror}).")
            continue
        if preset.id in presets:
            problems.append(f"{label}: the id {preset.id} is already taken by {sources[preset.id].name}.")
            continue
        presets[preset.id], sources[preset.id] = preset, path
        if origin is Origin.SHIPPED and label != f"{preset.category}/{preset.id}.json":
            problems.append(f"{label}: belongs at {preset.category}/{preset.id}.json.")
    return Definitions(tuple(presets.values()), retired, version, tuple(problems), sources)


def definition_files(folder: Path) -> Iterator[Path]:
    """List the JSON files that may hold definitions, in a stable order; hidden files and the schema are not among them."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.suffix == ".json" and entry.name != SCHEMA_NAME:
            yield entry
        elif entry.is_dir():
            yield from sorted(path for path in entry.glob("*.json") if not path.name.startswith("."))


def find_problems(definitions: Definitions) -> list[str]:
    """Judge a catalogue as a whole: every id leads to one thing, every place on disk has one content.

    Includes what went wrong when reading. An empty list means that the catalogue may be published.
    """
    return [
        *definitions.problems,
        *_id_problems(definitions),
        *_destination_problems(definitions.presets),
    ]


def require_sound(definitions: Definitions) -> Definitions:
    """Return *definitions* when nothing is wrong with them.

    Raises:
        InvalidPreset: Something is; ``details.problems`` lists it.
    """
    problems = find_problems(definitions)
    if problems:
        shown: list[JSON] = list(problems[:20])
        raise InvalidPreset(
            f"The catalogue has {len(problems)} problem(s), first: {problems[0]}", details={"problems": shown}
        )
    return definitions


def same_content(one: PresetFile, other: PresetFile) -> bool:
    """Tell whether two entries for one place mean the same bytes: by checksum, else by address.

    Equal sizes prove nothing: fine-tunes of one architecture have equal sizes.
    """
    if one.sha256 and other.sha256:
        return one.sha256 == other.sha256
    if one.size_bytes and other.size_bytes and one.size_bytes != other.size_bytes:
        return False
    return address_of(one.url) == address_of(other.url)


def address_of(url: str) -> str:
    """Reduce an address to what names the content: no host (mirrors), query or revision."""
    return _REVISION_IN_PATH.sub("/resolve/*/", urlsplit(url).path)


def _id_problems(definitions: Definitions) -> Iterator[str]:
    ids = {preset.id for preset in definitions.presets}
    owners: dict[str, str] = {}
    for preset in definitions.presets:
        for alias in preset.aliases:
            if alias in ids:
                yield f"{preset.id}: the alias {alias} is the id of a preset."
            elif owners.setdefault(alias.lower(), preset.id) != preset.id:
                yield f"{preset.id}: the alias {alias} already leads to {owners[alias.lower()]}."
    for old, entry in definitions.retired.items():
        if old in ids or old.lower() in owners:
            yield f"{old} is retired, yet it leads to {owners.get(old.lower(), old)}."
        if entry.successor is not None and entry.successor not in ids:
            yield f"{old} is retired in favour of {entry.successor}, which does not exist."


def _destination_problems(presets: Iterable[Preset]) -> Iterator[str]:
    claims: dict[str, list[tuple[Preset, PresetFile]]] = defaultdict(list)
    for preset in presets:
        for file in preset.files:
            place = f"{file.directory}/{file.name}"
            for other_preset, other in claims[place.lower()]:
                if not same_content(file, other):
                    yield f"{place} has two contents: in {other_preset.id} and in {preset.id}."
                    break
            claims[place.lower()].append((preset, file))


def _read_bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise InvalidPreset(f"The file is larger than {MAX_FILE_BYTES} bytes, too large for a preset.")
    return content
