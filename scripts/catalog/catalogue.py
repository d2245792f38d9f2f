"""Join facts and decisions into the catalogue: one document per preset, and the list of given-up ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from backend.errors import JSON
from backend.paths.categories import CATEGORIES
from backend.presets.definitions import ALIASES_NAME, SCHEMA_NAME, Definitions, find_problems
from backend.presets.errors import InvalidPreset
from backend.presets.preset import Origin
from backend.presets.schema import (
    SCHEMA_VERSION,
    AliasesDocument,
    PresetDocument,
    check_preset,
    dump_preset,
    json_schema,
    to_preset,
    to_retired,
)
from scripts.catalog.curated import CuratedPreset, Decisions, Family
from scripts.catalog.facts import Facts, FileFact, ResolvedFact, TemplateFact

# What a person looks for first; every other folder follows by name.
_ORDER = ("checkpoints", "diffusion_models", "text_encoders", "clip_vision", "audio_encoders", "vae", "loras")
_SCHEMA_LINK = f"../{SCHEMA_NAME}"


class Unsound(Exception):
    """The facts and decisions do not make a catalogue; ``problems`` are sentences."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that the catalogue is made of."""

    templates: dict[str, TemplateFact]
    files: dict[str, FileFact]
    resolved: dict[str, ResolvedFact]
    decisions: Decisions


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The finished documents; ``uncurated`` are templates that nobody decided about yet."""

    presets: tuple[PresetDocument, ...]
    aliases: AliasesDocument
    uncurated: tuple[str, ...]

    def tree(self) -> dict[str, bytes]:
        """Return every file of ``config/presets`` by its path there; the same documents give the same bytes."""
        files = {f"{preset.category}/{preset.id}.json": dump_preset(preset) for preset in self.presets}
        # The aliases have no published schema of their own, so they name none.
        files[ALIASES_NAME] = self.aliases.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n"
        files[SCHEMA_NAME] = json.dumps(json_schema(), indent=2) + "\n"
        return {path: text.encode() for path, text in files.items()}

    def definitions(self) -> Definitions:
        """Return the catalogue as the application sees it."""
        presets = tuple(to_preset(preset, Origin.SHIPPED) for preset in self.presets)
        return Definitions(presets, to_retired(self.aliases), self.aliases.version)


def join_inputs(facts: Facts, others: Facts, resolved: dict[str, ResolvedFact], decisions: Decisions) -> Inputs:
    """Put all facts side by side; the templates' own word on a file goes before that of others."""
    return Inputs(facts.templates, {**others.files, **facts.files}, resolved, decisions)


def make_catalogue(inputs: Inputs) -> Catalogue:
    """Make the catalogue and judge it as a whole.

    Raises:
        Unsound: A name leads nowhere, a document is not valid, or two presets contradict each other.
    """
    families = inputs.decisions.families
    curated = [(family, preset) for family in families for preset in family.presets]
    problems = [*_dangling(inputs, [preset for _, preset in curated])]
    if problems:
        raise Unsound(problems)
    workflows, uncurated = _assign_templates(inputs, [preset for _, preset in curated])
    presets: list[PresetDocument] = []
    for family, preset in curated:
        try:
            presets.append(_document(inputs, family, preset, workflows[preset.id]))
        except InvalidPreset as error:
            problems.append(f"{preset.id}: {error.message}")
    if problems:
        raise Unsound(problems)
    aliases = AliasesDocument(version=inputs.decisions.version, retired=dict(sorted(inputs.decisions.retired.items())))
    catalogue = Catalogue(tuple(sorted(presets, key=lambda preset: preset.id)), aliases, uncurated)
    problems = [*find_problems(catalogue.definitions()), *_own_problems(inputs, catalogue)]
    if problems:
        raise Unsound(problems)
    return catalogue


def _dangling(inputs: Inputs, presets: list[CuratedPreset]) -> Iterator[str]:
    for preset in presets:
        for template in preset.templates:
            if template not in inputs.templates:
                yield f"{preset.id}: there is no template {template} any more."
        for place in preset.files:
            if place not in inputs.files:
                yield f"{preset.id}: no facts about the file {place}."
    for template in inputs.decisions.left_out:
        if template not in inputs.templates:
            yield f"left_out.yaml: there is no template {template} any more."


def _places(inputs: Inputs, preset: CuratedPreset) -> set[str]:
    needed = {place for template in preset.templates for place in inputs.templates[template].files}
    return needed | set(preset.files)


def _assign_templates(inputs: Inputs, presets: list[CuratedPreset]) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Give each template to its presets; one that nobody named joins those that hold exactly its files."""
    workflows = {preset.id: list(preset.templates) for preset in presets}
    decided = {template for preset in presets for template in preset.templates} | set(inputs.decisions.left_out)
    uncurated: list[str] = []
    for template in sorted(inputs.templates.keys() - decided):
        needed = set(inputs.templates[template].files)
        homes = [preset for preset in presets if _places(inputs, preset) == needed]
        for preset in homes:
            workflows[preset.id].append(template)
        if not homes:
            uncurated.append(template)
    return workflows, tuple(uncurated)


def _document(inputs: Inputs, family: Family, preset: CuratedPreset, workflows: list[str]) -> PresetDocument:
    files: list[JSON] = [_file(inputs, place) for place in sorted(_places(inputs, preset), key=_file_order)]
    return check_preset(
        {
            "$schema": _SCHEMA_LINK,
            "schema": SCHEMA_VERSION,
            "id": preset.id,
            "name": preset.name,
            "category": family.category.value,
            "description": preset.description,
            "tags": [*family.tags_of(preset)],
            "files": files,
            "workflows": [*sorted(workflows)],
            "licence": family.licence_of(preset),
            "aliases": [*sorted(preset.aliases)],
        }
    )


def _file(inputs: Inputs, place: str) -> JSON:
    directory, _, name = place.rpartition("/")
    fact = inputs.files[place]
    exact = inputs.resolved.get(fact.url, ResolvedFact())
    return {
        "directory": directory,
        "name": name,
        "url": fact.url,
        "size_bytes": exact.size_bytes,
        "size_estimate_bytes": None if exact.size_bytes else fact.size_estimate_bytes,
        "sha256": exact.sha256 or fact.sha256,
        "revision": exact.revision,
        "gated": repository_of(fact.url) in inputs.decisions.gated,
    }


def repository_of(url: str) -> str:
    """Return ``owner/name`` of an address on the hub: the first two parts of its path."""
    return "/".join(urlsplit(url).path.split("/")[1:3])


def _file_order(place: str) -> tuple[int, str]:
    directory = place.partition("/")[0]
    return (_ORDER.index(directory) if directory in _ORDER else len(_ORDER), place)


def _own_problems(inputs: Inputs, catalogue: Catalogue) -> Iterator[str]:
    """Judge what only matters for the shipped catalogue: ComfyUI's folders, and what became of older ids."""
    known = {category.name for category in CATEGORIES}
    for preset in catalogue.presets:
        for file in preset.files:
            if file.directory.partition("/")[0] not in known:
                yield f"{preset.id}: {file.directory} is no model folder of ComfyUI."
    used = {f"{file.directory}/{file.name}" for preset in catalogue.presets for file in preset.files}
    for place, fact in inputs.files.items():
        if fact.seen_in and place not in used:
            yield f"other_facts.json: nothing needs {place}."
    reachable = {alias for preset in catalogue.presets for alias in preset.aliases} | catalogue.aliases.retired.keys()
    for old in inputs.decisions.old_ids:
        if old not in reachable:
            yield f"The old id {old} neither leads to a preset nor is it retired."
