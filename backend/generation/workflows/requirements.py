"""What a workflow needs that is not here: node classes and model files, and where the files can be had.

Resolution is a pure function over look-ups that the caller gives: what the workflow itself says, then presets, then files
known by their hash.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from backend.errors import JSON
from backend.generation.workflows.convert import known_classes, read_workflow, running_nodes
from backend.generation.workflows.definitions import InputDefinition, NodeDefinition, ObjectInfo, definition_of
from backend.generation.workflows.document import Document, Graph
from backend.generation.workflows.reading import as_list, as_mapping, as_text
from backend.generation.workflows.validation import names_model, needed_nodes

Installed: TypeAlias = "Mapping[str, Collection[str]]"
"""Model category to the names of its files, with folders below it: ``{"loras": ["wan/fast.safetensors"]}``."""

# Inputs of ComfyUI's own loaders whose name alone tells the category.
_BY_INPUT = {
    "ckpt_name": "checkpoints", "unet_name": "diffusion_models", "vae_name": "vae", "lora_name": "loras",
    "clip_name": "text_encoders", "clip_name1": "text_encoders", "clip_name2": "text_encoders",
    "clip_name3": "text_encoders", "clip_name4": "text_encoders", "text_encoder": "text_encoders",
    "control_net_name": "controlnet", "style_model_name": "style_models", "gligen_name": "gligen",
    "hypernetwork_name": "hypernetworks", "photomaker_model_name": "photomaker",
    "audio_encoder_name": "audio_encoders", "bg_removal_name": "background_removal",
}  # fmt: skip
# Loaders with a name that others use too, by what they give.
_BY_OUTPUT = {
    "CLIP_VISION": "clip_vision", "UPSCALE_MODEL": "upscale_models", "LATENT_UPSCALE_MODEL": "latent_upscale_models",
    "MODEL_PATCH": "model_patches", "AUDIO_ENCODER": "audio_encoders", "STYLE_MODEL": "style_models",
    "CONTROL_NET": "controlnet", "GLIGEN": "gligen", "PHOTOMAKER": "photomaker", "VAE": "vae",
    "INTERP_MODEL": "frame_interpolation", "OPTICAL_FLOW": "optical_flow", "MOGE_MODEL": "geometry_estimation",
    "DA3_MODEL": "geometry_estimation", "BACKGROUND_REMOVAL": "background_removal",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NodeNeed:
    """A class that the server lacks, and the nodes that use it."""

    class_type: str
    node_ids: tuple[str, ...]
    titles: tuple[str, ...]

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values."""
        return {"class_type": self.class_type, "node_ids": list(self.node_ids), "titles": list(self.titles)}


@dataclass(frozen=True, slots=True)
class ModelNeed:
    """A model file that running nodes name; ``directory`` is its category, None when nobody can tell."""

    directory: str | None
    name: str
    uses: tuple[tuple[str, str], ...] = ()
    is_present: bool = False


class Source(StrEnum):
    """Who says where a file can be had."""

    WORKFLOW = "workflow"
    PRESET = "preset"
    HASH = "hash"


@dataclass(frozen=True, slots=True)
class Offer:
    """A place to download a file from; what is not known is None. ``size_bytes`` may be an estimate."""

    directory: str
    name: str
    url: str
    source: Source
    size_bytes: int | None = None
    sha256: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    gated: bool = False
    preset_id: str | None = None

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values."""
        return {
            "directory": self.directory,
            "name": self.name,
            "url": self.url,
            "source": self.source.value,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "licence": self.licence,
            "licence_url": self.licence_url,
            "gated": self.gated,
            "preset_id": self.preset_id,
        }


@dataclass(frozen=True, slots=True)
class Requirements:
    """What is missing, and all models that the workflow needs."""

    nodes: tuple[NodeNeed, ...]
    models: tuple[ModelNeed, ...]
    embedded: tuple[Offer, ...]

    @property
    def missing_models(self) -> tuple[ModelNeed, ...]:
        """The models that are not here."""
        return tuple(model for model in self.models if not model.is_present)

    @property
    def is_met(self) -> bool:
        """Whether nothing is missing."""
        return not self.nodes and not self.missing_models


Lookup: TypeAlias = "Callable[[ModelNeed, str | None], Offer | None]"
"""Find a file by need and, where it is known, SHA-256."""


def find_requirements(
    document: Document, graph: Graph | None, object_info: ObjectInfo, installed: Installed
) -> Requirements:
    """Compare a workflow with a server.

    Args:
        graph: The converted graph; None when it could not be converted, so that only what the workflow says itself counts.
    """
    embedded = embedded_models(document.editor) if document.editor is not None else ()
    models = _needs_of_graph(graph, object_info, installed, embedded) if graph is not None else []
    named = {_base(model.name) for model in models}
    models += [
        ModelNeed(offer.directory, offer.name, (), _is_installed(offer.directory, offer.name, installed))
        for offer in embedded
        if _base(offer.name) not in named and graph is None
    ]
    return Requirements(missing_nodes(document, object_info), tuple(models), embedded)


def installed_of(object_info: ObjectInfo) -> dict[str, set[str]]:
    """Return what a server has of each category, as far as its loaders tell; some tens of milliseconds."""
    installed: dict[str, set[str]] = {}
    for class_type in object_info:
        node = definition_of(object_info, class_type)
        if node is None:
            continue
        for each in node.top():
            directory = None if each.choices is None else _directory(each, node, {})
            if directory is not None:
                names = {name for name in each.choices or () if isinstance(name, str) and names_model(name)}
                installed.setdefault(directory, set()).update(names)
    return installed


def missing_nodes(document: Document, object_info: ObjectInfo) -> tuple[NodeNeed, ...]:
    """Return the classes that the server lacks, also those of nodes that are switched off now."""
    classes: dict[str, list[tuple[str, str | None]]] = {}
    if document.editor is not None:
        classes = known_classes(read_workflow(document.editor))
    else:
        for node_id, node in (document.graph or {}).items():
            title = as_text(as_mapping(node.get("_meta")).get("title")) or None
            classes.setdefault(as_text(node.get("class_type")), []).append((node_id, title))
    return tuple(
        NodeNeed(name, tuple(node_id for node_id, _ in uses), tuple(title or name for _, title in uses))
        for name, uses in sorted(classes.items())
        if definition_of(object_info, name) is None
    )


def embedded_models(editor: Mapping[str, JSON]) -> tuple[Offer, ...]:
    """Return the files that running nodes of a workflow say they need, one offer for each place."""
    offers: dict[tuple[str, str], Offer] = {}
    for node in running_nodes(editor):
        for model in map(as_mapping, as_list(node.properties.get("models"))):
            directory, name, url = (as_text(model.get(key)).strip() for key in ("directory", "name", "url"))
            if not directory or not name or not url.startswith(("https://", "http://")):
                continue
            is_sha256 = as_text(model.get("hash_type")).upper().replace("-", "") == "SHA256"
            sha256 = as_text(model.get("hash")).lower() if is_sha256 else ""
            offer = Offer(directory, name, _plain_address(url), Source.WORKFLOW, sha256=sha256 or None)
            before = offers.get((directory, name))
            if before is None or (before.sha256 is None and offer.sha256 is not None):
                offers[directory, name] = offer
    return tuple(offers.values())


def resolve(
    needs: Iterable[ModelNeed], embedded: Iterable[Offer], *, presets: Lookup, known: Lookup
) -> list[tuple[ModelNeed, Offer | None]]:
    """Find for each needed file where it can be had: the workflow's word, then presets, then known hashes.

    What the workflow does not say (size, licence, checksum) is filled in from the preset that has the same file.
    """
    by_name = {_base(offer.name): offer for offer in reversed(tuple(embedded))}
    return [(need, _resolve(need, by_name.get(_base(need.name)), presets, known)) for need in needs]


def _resolve(need: ModelNeed, embedded: Offer | None, presets: Lookup, known: Lookup) -> Offer | None:
    sha256 = embedded.sha256 if embedded is not None else None
    placed = need if embedded is None else replace(need, directory=need.directory or embedded.directory)
    preset = presets(placed, sha256)
    if embedded is None:
        return preset or known(placed, sha256)
    if preset is None or (sha256 is not None and preset.sha256 is not None and preset.sha256 != sha256):
        return embedded
    return replace(
        embedded,
        size_bytes=preset.size_bytes,
        sha256=sha256 or (preset.sha256 if preset.url == embedded.url else None),
        licence=preset.licence,
        licence_url=preset.licence_url,
        gated=preset.gated,
        preset_id=preset.preset_id,
    )


def _needs_of_graph(
    graph: Graph, object_info: ObjectInfo, installed: Installed, embedded: tuple[Offer, ...]
) -> list[ModelNeed]:
    directories = {_base(offer.name): offer.directory for offer in embedded}
    needs: dict[tuple[str | None, str], ModelNeed] = {}
    needed = needed_nodes(graph, object_info)
    for node_id, node, definition, name in _model_choices(graph, object_info):
        if node_id not in needed:
            continue
        directory = _directory(definition, node, installed) or directories.get(_base(name))
        is_present = name in (definition.choices or ())
        before = needs.get((directory, name), ModelNeed(directory, name, (), is_present))
        uses = (*before.uses, (node_id, definition.name))
        needs[directory, name] = replace(before, uses=uses, is_present=before.is_present and is_present)
    return list(needs.values())


def _model_choices(graph: Graph, object_info: ObjectInfo) -> Iterator[tuple[str, NodeDefinition, InputDefinition, str]]:
    for node_id, node in graph.items():
        definition = definition_of(object_info, as_text(node.get("class_type")))
        if definition is None:
            continue
        inputs = as_mapping(node.get("inputs"))
        for each in definition.unfolded(inputs):
            value = inputs.get(each.name)
            if each.choices is not None and not each.is_uploaded and isinstance(value, str) and names_model(value):
                yield node_id, definition, each, value


def _directory(definition: InputDefinition, node: NodeDefinition, installed: Installed) -> str | None:
    """Tell the category of a loader's choice: by the input's name, by what the node gives, by what may be chosen."""
    known = _BY_INPUT.get(definition.name.rpartition(".")[2])
    if known == "text_encoders" and node.outputs == ("CLIP_VISION",):
        return "clip_vision"
    if known is not None:
        return known
    by_output = next((_BY_OUTPUT[kind] for kind in node.outputs if kind in _BY_OUTPUT), None)
    if by_output is not None:
        return by_output
    choices = {choice for choice in definition.choices or () if isinstance(choice, str)}
    shared = {directory: len(choices & set(names)) for directory, names in installed.items()}
    best = max(shared, key=lambda directory: shared[directory], default=None)
    return best if best is not None and shared[best] else None


def _is_installed(directory: str, name: str, installed: Installed) -> bool:
    return any(each == name or _base(each) == _base(name) for each in installed.get(directory, ()))


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _plain_address(url: str) -> str:
    """Drop ``?download=true`` and lead from the web page about a file to the file, as Hugging Face names them."""
    plain = url.removesuffix("?download=true")
    return plain.replace("/blob/", "/resolve/") if "//huggingface.co/" in plain else plain
