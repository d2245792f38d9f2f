"""What others published about model files: where they are, how large they are, and which template needs which.

Every address, size and checksum of the catalogue comes from one of these files, never from a curated list:

* ``template_facts.json`` is extracted from ComfyUI's official workflow templates (``scripts.catalog.extract``).
* ``other_facts.json`` names files that no current template needs, each with the place where its address was seen.
* ``resolved_facts.json`` holds what a hub answered to ``--resolve``; it need not exist.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from backend.errors import JSON
from backend.kit.atomic import write_atomic

Place = Annotated[str, Field(pattern=r"^[^/]+(/[^/]+)+$", description="Directory and name of a file.")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileFact(_Fact):
    """Where one file is; ``seen_in`` says who named this address when it was not a current template."""

    url: str
    size_estimate_bytes: int | None = None
    sha256: Sha256 | None = None
    seen_in: str | None = None


class TemplateFact(_Fact):
    """One workflow template and the places of the files it needs."""

    title: str
    files: tuple[Place, ...]


class Facts(_Fact):
    """Everything that one publisher says."""

    source: str
    files: dict[Place, FileFact]
    templates: dict[str, TemplateFact] = Field(default_factory=dict[str, TemplateFact])


class ResolvedFact(_Fact):
    """What a hub answered about one address: exact size in bytes, checksum, and the commit that was asked."""

    size_bytes: int | None = None
    sha256: Sha256 | None = None
    revision: str | None = None


def read_facts(path: Path) -> Facts:
    """Read a facts file; blocking.

    Raises:
        pydantic.ValidationError: It has another form.
    """
    return Facts.model_validate_json(path.read_bytes())


def write_facts(path: Path, facts: Facts) -> None:
    """Write a facts file in a stable order; blocking."""
    _write(path, facts.model_dump(mode="json", exclude_defaults=True))


def read_resolved(path: Path) -> dict[str, ResolvedFact]:
    """Read what a hub answered, by address; nothing when nobody asked yet; blocking."""
    if not path.exists():
        return {}
    answers: dict[str, JSON] = json.loads(path.read_bytes())
    return {url: ResolvedFact.model_validate(answer) for url, answer in answers.items()}


def write_resolved(path: Path, resolved: dict[str, ResolvedFact]) -> None:
    """Write what a hub answered in a stable order; blocking."""
    _write(path, {url: fact.model_dump(exclude_none=True) for url, fact in resolved.items()})


def _write(path: Path, content: dict[str, JSON]) -> None:
    write_atomic(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
