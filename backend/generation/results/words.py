"""Find what people look for in a graph: the words of whoever asked, and the models that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from backend.comfyui import folder_of, is_model_input
from backend.errors import JSON

# Inputs that hold words for a model to read, in ComfyUI's own nodes and in most others.
_WORDY = ("text", "prompt", "positive", "caption", "lyrics", "tags", "string")
_POSITIVE, _NEGATIVE = "positive", "negative"
_MAX_PROMPT = 8192
_MAX_WORDS = 32_768


def prompt_of(graph: Mapping[str, JSON], inputs: Mapping[str, JSON]) -> str:
    """Return what was asked for, at most 8192 characters.

    An input named ``prompt`` says it; else what leads into an input named ``positive``; else every text but what leads
    into ``negative``.
    """
    given = inputs.get("prompt")
    if isinstance(given, str) and given.strip():
        return writable(given.strip()[:_MAX_PROMPT])
    towards = _sources(graph, _POSITIVE) or (graph.keys() - _sources(graph, _NEGATIVE))
    found = [text for node_id in graph if node_id in towards for text in _texts(graph[node_id])]
    return writable("\n".join(dict.fromkeys(found))[:_MAX_PROMPT])


def searchable(title: str, prompt: str, graph: Mapping[str, JSON], inputs: Mapping[str, JSON], text: str | None) -> str:
    """Return everything that a search looks through, in lower case."""
    parts = [title, prompt, *(value for value in inputs.values() if isinstance(value, str)), text or ""]
    parts.extend(found for node in graph.values() for found in _texts(node))
    return writable("\n".join(dict.fromkeys(part.casefold() for part in parts if part))[:_MAX_WORDS])


def writable(text: str) -> str:
    """Replace half a surrogate pair, which JSON can carry and neither a database nor a file can."""
    return text.encode("utf-8", "replace").decode()


def models_of(graph: Mapping[str, JSON]) -> tuple[tuple[str | None, str], ...]:
    """Return (folder, name) of every model file that the graph names, the name with forward slashes."""
    found: dict[tuple[str | None, str], None] = {}
    for node in graph.values():
        class_type = node.get("class_type") if isinstance(node, Mapping) else None
        for name, value in _inputs(node).items():
            if isinstance(class_type, str) and isinstance(value, str) and is_model_input(class_type, name, value):
                found[folder_of(class_type, name), writable(value.replace("\\", "/"))] = None
    return tuple(found)


def _sources(graph: Mapping[str, JSON], name: str) -> set[str]:
    """Return every node that leads into an input called *name*."""
    pending = [source for node in graph.values() for input_name, source in _links(node) if input_name == name]
    seen: set[str] = set()
    while pending:
        node_id = pending.pop()
        if node_id in seen or node_id not in graph:
            continue
        seen.add(node_id)
        pending.extend(source for _, source in _links(graph[node_id]))
    return seen


def _links(node: JSON) -> Iterator[tuple[str, str]]:
    for name, value in _inputs(node).items():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int):
            yield name, value[0]


def _texts(node: JSON) -> Iterator[str]:
    for name, value in _inputs(node).items():
        if isinstance(value, str) and value.strip() and name.lower().startswith(_WORDY):
            yield value.strip()


def _inputs(node: JSON) -> Mapping[str, JSON]:
    if isinstance(node, Mapping):
        inputs = node.get("inputs")
        if isinstance(inputs, Mapping):
            return cast("Mapping[str, JSON]", inputs)
    return {}
