"""What people decided: which presets there are, what they are called, and what was left out or given up.

A curated preset names files only by their place (``vae/ae.safetensors``); addresses come from the facts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from backend.presets.preset import Category
from backend.presets.schema import RetiredDocument

# The C loader reads the lists in a tenth of the time; PyYAML is built without it on some platforms.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) else value


Names = Annotated[tuple[str, ...], Field(default=())]
Tag = Annotated[str, BeforeValidator(_as_text)]


class _Curated(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CuratedPreset(_Curated):
    """One preset: the union of what its templates need and of further files.

    ``licence`` null means unknown or mixed, even where the family has one.
    """

    id: str
    name: str
    description: str
    tags: tuple[Tag, ...] = ()
    templates: Names
    files: Names
    aliases: Names
    licence: str | None = None


class Family(_Curated):
    """Presets that belong together, with what they have in common."""

    category: Category
    tags: tuple[Tag, ...] = ()
    licence: str | None = None
    presets: tuple[CuratedPreset, ...]

    def licence_of(self, preset: CuratedPreset) -> str | None:
        """Return the licence of a preset: its own, explicitly none, or the family's."""
        return preset.licence if "licence" in preset.model_fields_set else self.licence

    def tags_of(self, preset: CuratedPreset) -> list[str]:
        """Return the family's tags and then the preset's, each once."""
        return list(dict.fromkeys((*self.tags, *preset.tags)))


class Decisions(_Curated):
    """Every curated list of the folder.

    Args:
        left_out: Templates without a preset, with the reason.
        gated: Repositories ``owner/name`` that ask for a licence and a token, with how that is known.
        old_ids: Ids of the predecessor, each of which must lead somewhere or be retired.
    """

    version: str
    families: tuple[Family, ...]
    left_out: dict[str, str]
    retired: dict[str, RetiredDocument]
    gated: dict[str, str]
    old_ids: tuple[str, ...]


def read_decisions(folder: Path) -> Decisions:
    """Read all curated lists; blocking.

    Raises:
        pydantic.ValidationError: One of them has another form.
        OSError: One of them is missing.
    """
    texts = TypeAdapter(dict[str, str])
    old_ids = TypeAdapter(dict[str, list[str]]).validate_python(_read(folder / "old_ids.yaml"))
    return Decisions(
        version=texts.validate_python(_read(folder / "version.yaml"))["version"],
        families=tuple(Family.model_validate(_read(path)) for path in sorted((folder / "curated").glob("*.yaml"))),
        left_out=texts.validate_python(_read(folder / "left_out.yaml")),
        retired=TypeAdapter(dict[str, RetiredDocument]).validate_python(_read(folder / "retired.yaml")),
        gated=texts.validate_python(_read(folder / "gated.yaml")),
        old_ids=tuple(sorted({old for ids in old_ids.values() for old in ids})),
    )


def _read(path: Path) -> object:
    return yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506 - both loaders are safe ones
