"""Tell what a workflow makes from the nodes that save or show something, before any server is asked.

The words are those of results: image, animation, video, audio, model, text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from backend.errors import JSON
from backend.generation.workflows.document import Document
from backend.generation.workflows.reading import as_list, as_mapping, as_text

KINDS = ("image", "animation", "video", "audio", "model", "text")
_NameOf: TypeAlias = "re.Pattern[str]"
# ComfyUI's own output nodes and the usual packs'; of several the first kind counts, since films come with stills beside.
_BY_CLASS: tuple[tuple[str, _NameOf], ...] = (
    ("video", re.compile(r"^(Save|Preview)(Video|WEBM)|^VHS_VideoCombine$")),
    ("animation", re.compile(r"^SaveAnimated")),
    ("audio", re.compile(r"^(Save|Preview)Audio")),
    ("model", re.compile(r"^(Save|Preview)(GLB|3D|Mesh|SVG3D)")),
    ("image", re.compile(r"^(Save|Preview)(Image|SVG)|^(SaveImageWebsocket|MaskPreview|PreviewMask)$|^Image Save$")),
    ("text", re.compile(r"^(Preview(Any|AsText)|Save(Text|String)|ShowText.*)$")),
)
_BY_WORD: Mapping[str, str] = {"3d": "model", "llm": "text"}


def kind_of_document(document: Document) -> str | None:
    """Return what a workflow makes; None when no node that is known here saves or shows anything."""
    names = set(_classes(document))
    return next((kind for kind, pattern in _BY_CLASS if any(pattern.match(name) for name in names)), None)


def kind_of_template(group: Mapping[str, JSON], template: Mapping[str, JSON]) -> str | None:
    """Return what the index of the official templates says that one of them makes."""
    outputs = as_list(as_mapping(template.get("io")).get("outputs"))
    said = next((word for word in (as_text(as_mapping(output).get("mediaType")) for output in outputs) if word), None)
    word = said or as_text(group.get("type"))
    kind = _BY_WORD.get(word, word)
    return kind if kind in KINDS else None


def _classes(document: Document) -> Iterable[str]:
    if document.editor is None:
        return (as_text(node.get("class_type")) for node in (document.graph or {}).values())
    definitions = as_list(as_mapping(document.editor.get("definitions")).get("subgraphs"))
    sheets = (document.editor, *map(as_mapping, definitions))
    return (as_text(as_mapping(node).get("type")) for sheet in sheets for node in as_list(sheet.get("nodes")))
