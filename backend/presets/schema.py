"""The form of a preset file: pydantic models at the edge, and the JSON Schema that is published from them.

A document that passes here is safe to act on: its ids can be file names, its files stay below a model folder, its
addresses are plain http(s) without secrets. ``backend.presets.preset`` holds the values that the domain works with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from backend.errors import JSON
from backend.kit.redact import MASK, redact_url
from backend.presets.errors import InvalidPreset
from backend.presets.preset import Category, Origin, Preset, PresetFile, Retired

SCHEMA_VERSION = 1
MAX_FILES = 200
_MAX_SIZE_BYTES = 1 << 50  # 1 PiB: a typing error, not a model
_MAX_PROBLEMS = 20

ID_PATTERN = r"^[a-z0-9]+(?:[-.][a-z0-9]+)*$"
ALIAS_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}$"
# First characters exclude the dot, so neither "." nor ".." nor a hidden file fits; separators and NUL never do.
# Each part ends in something else than a dot or blank, which Windows shares would drop silently.
_NAME_PART = r"[A-Za-z0-9_(\[](?:[A-Za-z0-9_ .()\[\]+,@=&'~!#%-]*[A-Za-z0-9_)\]+=~!#-])?"
NAME_PATTERN = rf"^{_NAME_PART}$"
DIRECTORY_PATTERN = rf"^{_NAME_PART}(?:/{_NAME_PART})*$"
_RESERVED_SUFFIX = (".part", ".part.json", ".tmp")
_WINDOWS_DEVICE = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


def _check_name(name: str) -> str:
    for part in name.split("/"):
        if _WINDOWS_DEVICE.match(part):
            raise ValueError("is a device name on Windows")
    if name.lower().endswith(_RESERVED_SUFFIX):
        raise ValueError("ends like a temporary file of Hearth")
    return name


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise ValueError("is not an address") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("must be an http:// or https:// address")
    if parts.username is not None or MASK in redact_url(url):
        raise ValueError("holds a password or token; store the token in the settings and leave it out here")
    if "/blob/" in parts.path:
        raise ValueError("is a web page about the file (/blob/); use the address of the file itself (/resolve/)")
    return url


Id = Annotated[
    str, Field(pattern=ID_PATTERN, max_length=64, description="Lower-case words joined by - or .", examples=["my-lora"])
]
Alias = Annotated[str, Field(pattern=ALIAS_PATTERN, description="An older id that still leads here.")]
Tag = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9 .+_-]{0,39}$")]
WorkflowId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
Line = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
Url = Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s\x00-\x1f]+$"), AfterValidator(_check_url)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$"), AfterValidator(str.lower)]
Bytes = Annotated[int, Field(ge=1, le=_MAX_SIZE_BYTES, strict=True)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class FileDocument(_Document):
    """One file of a preset: where it comes from and where it belongs."""

    directory: Annotated[str, Field(pattern=DIRECTORY_PATTERN, max_length=160), AfterValidator(_check_name)] = Field(
        description="Model category, such as `checkpoints`, and below it any folders: `loras/wan`.",
        examples=["loras"],
    )
    name: Annotated[str, Field(pattern=NAME_PATTERN, max_length=200), AfterValidator(_check_name)] = Field(
        description="File name in that folder.", examples=["my-lora.safetensors"]
    )
    url: Url = Field(
        description="Stable address of the file itself, without tokens.",
        examples=["https://huggingface.co/me/my-lora/resolve/main/my-lora.safetensors"],
    )
    size_bytes: Bytes | None = Field(default=None, description="Exact size; a file of another size is damaged.")
    size_estimate_bytes: Bytes | None = Field(default=None, description="Only for display and disk plans.")
    sha256: Sha256 | None = Field(default=None, description="Checksum of the whole file.")
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]{0,99}$")] | None = Field(
        default=None, description="Commit or tag to download from, where the host knows such a thing."
    )
    licence: Line | None = Field(default=None, description="Licence of this file when it differs from the preset's.")
    gated: bool = Field(default=False, description="The host asks for an accepted licence and a token.")


class PresetDocument(_Document):
    """A set of model files that belong together, as one JSON file `<category>/<id>.json`."""

    json_schema: str | None = Field(default=None, alias="$schema", max_length=300, description="For editors only.")
    schema_version: Literal[1] = Field(alias="schema", description="Version of this form.")
    id: Id
    name: Line = Field(examples=["My LoRA"])
    category: Category
    description: Text = Field(examples=["A style that I like."])
    tags: list[Tag] = Field(default_factory=list[Tag], max_length=30)
    files: list[FileDocument] = Field(min_length=1, max_length=MAX_FILES)
    workflows: list[WorkflowId] = Field(
        default_factory=list[WorkflowId], max_length=300, description="ComfyUI templates that need these files."
    )
    min_vram_bytes: Bytes | None = Field(default=None, description="GPU memory below which it will not run.")
    licence: Line | None = None
    licence_url: Url | None = None
    homepage: Url | None = None
    aliases: list[Alias] = Field(default_factory=list[Alias], max_length=100)

    @model_validator(mode="after")
    def _check_destinations(self) -> PresetDocument:
        seen: set[tuple[str, str]] = set()
        for file in self.files:
            place = (file.directory.lower(), file.name.lower())
            if place in seen:
                raise ValueError(f"{file.directory}/{file.name} is listed twice")
            seen.add(place)
        return self


class RetiredDocument(_Document):
    """Why an old id was given up, and what comes closest."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]
    successor: Id | None = None


class AliasesDocument(_Document):
    """`aliases.json` beside the presets: ids that were given up, and the catalogue's version."""

    json_schema: str | None = Field(default=None, alias="$schema", max_length=300)
    version: Annotated[str, Field(pattern=r"^\d+(?:\.\d+){0,4}$")] = Field(
        default="0", description="Numbers joined by dots, such as 2026.3.1; the higher catalogue wins."
    )
    retired: dict[Alias, RetiredDocument] = Field(default_factory=dict[str, RetiredDocument])


_preset_adapter = TypeAdapter(PresetDocument)
_aliases_adapter = TypeAdapter(AliasesDocument)


def parse_preset(data: bytes | str) -> PresetDocument:
    """Read one preset document from JSON text.

    Raises:
        InvalidPreset: Not JSON, or not of this form; ``details.problems`` lists each field and what is wrong.
    """
    try:
        return _preset_adapter.validate_json(data)
    except ValidationError as error:
        raise invalid(error) from None


def check_preset(value: JSON) -> PresetDocument:
    """Check a preset document that was already decoded.

    Raises:
        InvalidPreset: It is not of this form.
    """
    try:
        return _preset_adapter.validate_python(value)
    except ValidationError as error:
        raise invalid(error) from None


def parse_aliases(data: bytes | str) -> AliasesDocument:
    """Read `aliases.json` from JSON text.

    Raises:
        InvalidPreset: Not JSON, or not of this form.
    """
    try:
        return _aliases_adapter.validate_json(data)
    except ValidationError as error:
        raise invalid(error) from None


def check_aliases(value: JSON) -> AliasesDocument:
    """Check an already decoded list of given-up ids.

    Raises:
        InvalidPreset: It is not of this form.
    """
    try:
        return _aliases_adapter.validate_python(value)
    except ValidationError as error:
        raise invalid(error) from None


def dump_document(document: BaseModel) -> dict[str, JSON]:
    """Return a document as JSON values: only what was set."""
    return document.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)


def dump_preset(document: PresetDocument) -> str:
    """Write a document as the JSON text that is kept on disk: only what was set, two blanks of indent."""
    return document.model_dump_json(by_alias=True, exclude_defaults=True, exclude_none=True, indent=2) + "\n"


def to_preset(document: PresetDocument, origin: Origin) -> Preset:
    """Turn a checked document into the value that the domain works with."""
    return Preset(
        id=document.id,
        name=document.name,
        category=document.category,
        description=document.description,
        files=tuple(PresetFile(**file.model_dump()) for file in document.files),
        tags=tuple(document.tags),
        workflows=tuple(document.workflows),
        min_vram_bytes=document.min_vram_bytes,
        licence=document.licence,
        licence_url=document.licence_url,
        homepage=document.homepage,
        aliases=tuple(document.aliases),
        origin=origin,
    )


def to_retired(document: AliasesDocument) -> dict[str, Retired]:
    """Turn the checked list of given-up ids into values."""
    return {old: Retired(entry.reason, entry.successor) for old, entry in document.retired.items()}


def json_schema() -> dict[str, JSON]:
    """Return the JSON Schema (draft 2020-12) of a preset document, as published in `config/presets/schema.json`."""
    schema = PresetDocument.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Hearth preset"}


def document_schema() -> dict[str, JSON]:
    """Return the schema of a preset document in one piece, without references, to be put into another schema."""
    schema = PresetDocument.model_json_schema(by_alias=True)
    parts = schema.pop("$defs")
    return cast("dict[str, JSON]", _resolved(schema, parts))


def _resolved(schema: JSON, parts: Mapping[str, JSON]) -> JSON:
    if isinstance(schema, list):
        return [_resolved(item, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _resolved(parts[reference.rpartition("/")[2]], parts)
    return {name: _resolved(value, parts) for name, value in schema.items()}


def invalid(error: ValidationError) -> InvalidPreset:
    """Turn pydantic's report into ours: one line per problem, without the offending input (it may hold a secret)."""
    problems: list[JSON] = [
        f"{'.'.join(map(str, item['loc'])) or 'document'}: {_reason(item['type'], item['msg'])}"
        for item in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InvalidPreset(
        f"The preset is not valid: {problems[0]}{more}.", details={"problems": problems[:_MAX_PROBLEMS]}
    )


def _reason(kind: str, message: str) -> str:
    if kind == "string_pattern_mismatch":  # the pattern itself says nothing to a person
        return "has characters or a form that is not allowed here"
    return message.removeprefix("Value error, ")
