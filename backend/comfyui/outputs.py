"""What nodes show: files in the server's folders, and texts. Told from their shape, never from the class of the node."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from backend.comfyui.shapes import mapping, sequence, text
from backend.errors import JSON


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file below one of the server's folders: ``type`` is ``output``, ``temp`` or ``input``.

    ``key`` is the word under which the node lists it (``images``, ``audio``, ``gifs`` ...); it says little about the content.
    """

    filename: str
    subfolder: str = ""
    type: str = "output"
    key: str = "images"

    @property
    def is_temporary(self) -> bool:
        """Whether the server deletes the file when it starts again."""
        return self.type == "temp"

    def query(self) -> dict[str, str]:
        """Return the query that /view wants."""
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.type}


@dataclass(frozen=True, slots=True)
class NodeOutput:
    """What one node showed. ``is_cached``: it did not run, so its files are those of an earlier prompt."""

    node_id: str
    files: tuple[OutputFile, ...]
    texts: tuple[str, ...]
    is_animated: bool = False
    is_cached: bool = False
    document: Mapping[str, JSON] = field(default_factory=dict[str, JSON], repr=False)


def node_output(node_id: str, document: Mapping[str, JSON], *, is_cached: bool = False) -> NodeOutput:
    """Read the output of one node, as ``executed`` and history have it."""
    files: list[OutputFile] = []
    words: list[str] = []
    for key, values in document.items():
        for value in sequence(values):
            if isinstance(value, str):
                words.append(value)
            elif isinstance(value, dict) and (file := _file(key, value)) is not None:
                files.append(file)
    animated = any(value is True for value in sequence(document.get("animated")))
    return NodeOutput(node_id, tuple(files), tuple(words), animated, is_cached, document)


def node_outputs(document: Mapping[str, JSON], cached: AbstractSet[str] = frozenset()) -> tuple[NodeOutput, ...]:
    """Read the outputs of a prompt by node; *cached* names the nodes that did not run."""
    return tuple(node_output(node, mapping(value), is_cached=node in cached) for node, value in document.items())


def _file(key: str, value: Mapping[str, JSON]) -> OutputFile | None:
    filename = text(value.get("filename"))
    if not filename:
        return None
    return OutputFile(filename, text(value.get("subfolder")) or "", text(value.get("type")) or "output", key)
