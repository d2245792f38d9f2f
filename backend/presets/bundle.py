"""A whole catalogue in one piece, as it travels and as an update is kept on disk.

Two forms, told apart by their first bytes:

* JSON: ``{"version": "2026.3.1", "presets": [preset documents], "retired": {...}, "sha256"?: "..."}``. ``sha256`` is
  the digest of the JSON text of ``{"presets", "retired", "version"}`` with sorted keys, no blanks and UTF-8.
* zip: ``manifest.json`` = ``{"version": "...", "files": {"video/x.json": "<sha256>", "aliases.json": "..."}}`` beside
  exactly those files. Nothing is ever extracted to disk, so a hostile path in an archive leads nowhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import cast

from backend.errors import JSON
from backend.presets.definitions import ALIASES_NAME, Definitions, find_problems
from backend.presets.errors import CatalogInvalid, InvalidPreset
from backend.presets.preset import Origin, Preset
from backend.presets.schema import (
    AliasesDocument,
    PresetDocument,
    check_aliases,
    check_preset,
    dump_document,
    to_preset,
    to_retired,
)

MAX_BUNDLE_BYTES = 16 << 20
_MAX_UNPACKED_BYTES = 64 << 20
_MAX_ENTRIES = 5000
_MANIFEST = "manifest.json"
_ENTRY = re.compile(r"^(?:[a-z0-9-]+/)?[A-Za-z0-9][A-Za-z0-9._-]*\.json$")


class Bundle:
    """A catalogue that passed every check: its documents, and the definitions made from them."""

    def __init__(self, presets: list[PresetDocument], aliases: AliasesDocument) -> None:
        self.presets = presets
        self.aliases = aliases

    @property
    def version(self) -> str:
        """The publisher's version, numbers joined by dots."""
        return self.aliases.version

    def definitions(self) -> Definitions:
        """Return the values of the documents; of two presets with one id both are there, to be complained about."""
        made: tuple[Preset, ...] = tuple(to_preset(document, Origin.SHIPPED) for document in self.presets)
        return Definitions(made, to_retired(self.aliases), self.version)

    def to_json(self) -> bytes:
        """Write the JSON form, with its checksum."""
        content: dict[str, JSON] = {
            "presets": [dump_document(document) for document in self.presets],
            "retired": dump_document(self.aliases).get("retired", {}),
            "version": self.version,
        }
        return _canonical({**content, "sha256": hashlib.sha256(_canonical(content)).hexdigest()})

    def to_zip(self) -> bytes:
        """Write the zip form, with its manifest."""
        files = {
            f"{document.category}/{document.id}.json": _canonical(dump_document(document)) for document in self.presets
        }
        files[ALIASES_NAME] = _canonical(dump_document(self.aliases))
        digests: dict[str, JSON] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_MANIFEST, _canonical({"version": self.version, "files": digests}))
            for name, content in files.items():
                archive.writestr(name, content)
        return buffer.getvalue()


def read_bundle(data: bytes) -> Bundle:
    """Read either form and check all of it: checksums, schema, ids and destinations; blocking (parses megabytes).

    Raises:
        CatalogInvalid: Anything is wrong; ``details.problems`` lists it.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise _refuse(f"it is larger than {MAX_BUNDLE_BYTES} bytes")
    bundle = _read_zip(data) if data.startswith(b"PK") else _read_json(data)
    if not bundle.presets:
        raise _refuse("it holds no presets")
    _insist_unique(bundle.presets)
    problems = find_problems(bundle.definitions())
    if problems:
        raise _refuse(*problems)
    return bundle


def _read_json(data: bytes) -> Bundle:
    content = _decode(data, "the catalogue")
    promised = content.pop("sha256", None)
    if promised is not None and promised != hashlib.sha256(_canonical(content)).hexdigest():
        raise _refuse("its checksum does not match its content")
    presets = content.pop("presets", None)
    if not isinstance(presets, list):
        raise _refuse("presets: a list is missing")
    return _checked({f"presets.{index}": value for index, value in enumerate(presets)}, content)


def _read_zip(data: bytes) -> Bundle:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            contents = _unpack(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _refuse(f"the zip archive is damaged ({error})") from None
    manifest = _decode(contents.pop(_MANIFEST, b"null"), _MANIFEST)
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise _refuse(f"{_MANIFEST} lists no files")
    if problems := [*_manifest_problems(cast("dict[str, JSON]", files), contents)]:
        raise _refuse(*problems)
    aliases = _decode(contents.pop(ALIASES_NAME, b"{}"), ALIASES_NAME)
    if "version" in manifest:
        aliases["version"] = manifest["version"]
    return _checked({name: _decode(content, name) for name, content in contents.items()}, aliases)


def _unpack(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """Read every entry into memory, bounded by what really comes out and not by what the archive claims."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > _MAX_ENTRIES:
        raise _refuse(f"it holds more than {_MAX_ENTRIES} files")
    contents: dict[str, bytes] = {}
    left = _MAX_UNPACKED_BYTES
    for entry in entries:
        if not _ENTRY.match(entry.filename):
            raise _refuse(f"{entry.filename!r} is not a name for a preset file")
        if entry.filename in contents:
            raise _refuse(f"{entry.filename} is there twice")
        with archive.open(entry) as stream:
            content = stream.read(left + 1)
        left -= len(content)
        if left < 0:
            raise _refuse(f"it unpacks to more than {_MAX_UNPACKED_BYTES} bytes")
        contents[entry.filename] = content
    return contents


def _manifest_problems(files: Mapping[str, JSON], contents: Mapping[str, bytes]) -> list[str]:
    problems = [f"{name} is listed in {_MANIFEST} but not there" for name in files if name not in contents]
    for name, content in contents.items():
        if name not in files:
            problems.append(f"{name} is not listed in {_MANIFEST}")
        elif files[name] != hashlib.sha256(content).hexdigest():
            problems.append(f"{name}: the checksum does not match")
    return problems


def _checked(presets: Mapping[str, JSON], aliases: dict[str, JSON]) -> Bundle:
    documents: list[PresetDocument] = []
    problems: list[str] = []
    for label, value in presets.items():
        try:
            documents.append(check_preset(value))
        except InvalidPreset as error:
            problems.append(f"{label}: {error.message}")
    try:
        checked_aliases = check_aliases(aliases)
    except InvalidPreset as error:
        raise _refuse(*problems, error.message) from None
    if problems:
        raise _refuse(*problems)
    return Bundle(documents, checked_aliases)


def _insist_unique(presets: list[PresetDocument]) -> None:
    seen: set[str] = set()
    twice = [preset.id for preset in presets if preset.id in seen or seen.add(preset.id)]
    if twice:
        raise _refuse(*(f"the id {each} is there twice" for each in twice))


def _decode(data: bytes, label: str) -> dict[str, JSON]:
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError):
        raise _refuse(f"{label} is not JSON") from None
    if not isinstance(value, dict):
        raise _refuse(f"{label} is missing or not a JSON object")
    return cast("dict[str, JSON]", value)


def _canonical(value: JSON) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _refuse(*problems: str) -> CatalogInvalid:
    shown: list[JSON] = list(problems[:20])
    return CatalogInvalid(f"The catalogue is not taken: {problems[0]}.".replace("..", "."), details={"problems": shown})
