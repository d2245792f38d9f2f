"""The text beside every result: how it came about, and enough to make its entry in the gallery again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from backend.errors import JSON
from backend.generation.results.item import MAX_RATING, Item, Kind, stamp
from backend.generation.results.words import searchable
from backend.kit.atomic import write_atomic

SUFFIX = ".json"
MAX_TEXT = 65_536
_SCHEMA = 1
_MAX_SIDECAR_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Sidecar:
    """An entry with how it came about; ``node_s`` holds seconds for each node, ``models`` name and SHA-256 if known."""

    item: Item
    graph: Mapping[str, JSON] = field(repr=False)
    inputs: Mapping[str, JSON]
    node_id: str
    prompt_id: str
    models: tuple[tuple[str, str | None], ...]
    started_at: str | None
    finished_at: str
    node_s: Mapping[str, float]

    def making(self) -> dict[str, JSON]:
        """Return how it came about, for people and programs."""
        return {
            "node_id": self.node_id,
            "prompt_id": self.prompt_id,
            "backend": self.item.backend,
            "source": self.item.source,
            "take": self.item.take,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "node_s": dict(self.node_s),
            "models": [{"name": name, "sha256": sha256} for name, sha256 in self.models],
            "inputs": dict(self.inputs),
            "graph": dict(self.graph),
        }


def place_of(file: Path) -> Path:
    """Return where the sidecar of *file* is."""
    return file.with_suffix(SUFFIX) if file.suffix != SUFFIX else file.with_name(f"{file.name}{SUFFIX}")


def write(path: Path, sidecar: Sidecar, *, sync_directory: bool = True) -> None:
    """Keep *sidecar*, durably; blocking.

    Args:
        sync_directory: Without it the caller makes the name durable.
    Raises:
        OSError: It cannot be written.
    """
    item = sidecar.item
    document: dict[str, JSON] = {
        "schema": _SCHEMA,
        "id": item.id,
        "job_id": item.job_id,
        "owner_id": item.owner_id,
        "key": item.key,
        "place": item.place,
        "kind": item.kind,
        "mime": item.mime,
        "name": item.name,
        "path": item.path,
        "size_bytes": item.size_bytes,
        "sha256": item.sha256,
        "created_at": item.created_at,
        "width": item.width,
        "height": item.height,
        "duration_s": item.duration_s,
        "title": item.title,
        "workflow_id": item.workflow_id,
        "workflow_version": item.workflow_version,
        "seed": item.seed,
        "prompt": item.prompt,
        "favourite": item.favourite,
        "rating": item.rating,
        **sidecar.making(),
    }
    # Half a surrogate pair, which JSON can carry and UTF-8 cannot, becomes an escape that JSON reads back.
    lines = ",\n".join(
        f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in document.items()
    )
    content = f"{{\n{lines}\n}}\n".encode("utf-8", "backslashreplace")
    write_atomic(path, content, sync_directory=sync_directory)


def read(path: Path, file: Path | None = None) -> Sidecar | None:
    """Read a sidecar, which anybody with the volume could have changed; None when it is none; blocking.

    Args:
        file: Where its result lies now, for the text in it; beside the sidecar by default.
    """
    try:
        if path.stat().st_size > _MAX_SIDECAR_BYTES:
            return None
        document: object = json.loads(path.read_bytes())
        if not isinstance(document, dict):
            return None
        return _sidecar(cast("dict[str, Any]", document), path, file)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def text_of(file: Path) -> str | None:
    """Return the beginning of a text, at most 64 Ki characters; blocking."""
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(MAX_TEXT)
    except OSError:
        return None


def is_below(path: str) -> bool:
    """Tell whether *path* is a month, a job and a file below the folder of outputs, and nothing else."""
    parts = path.split("/")
    return len(parts) == 3 and not any(not part or part[0] == "." or "\\" in part or "\0" in part for part in parts)


def _sidecar(document: dict[str, Any], place: Path, file: Path | None) -> Sidecar:
    """Any: JSON of every shape; a wrong one raises, and the caller takes the file for none of ours."""
    if document["schema"] != _SCHEMA:
        raise ValueError("another schema")
    graph, inputs = dict[str, Any](document["graph"]), dict[str, Any](document["inputs"])
    kind = Kind(document["kind"])
    title, prompt = _text(document["title"]), _text(document["prompt"])
    path = _below(document["path"])
    text = text_of(file or place.with_name(Path(path).name)) if kind is Kind.TEXT else None
    models = tuple((_text(model["name"]), _maybe(model["sha256"])) for model in document["models"])
    item = Item(
        id=_text(document["id"]),
        job_id=_text(document["job_id"]),
        owner_id=_text(document["owner_id"]),
        key=_text(document["key"]),
        take=int(document["take"]),
        place=int(document["place"]),
        kind=kind,
        mime=_text(document["mime"]),
        name=_text(document["name"]),
        path=path,
        size_bytes=int(document["size_bytes"]),
        sha256=_text(document["sha256"]),
        created_at=stamp(datetime.fromisoformat(document["created_at"])),
        width=_number(document["width"]),
        height=_number(document["height"]),
        duration_s=None if document["duration_s"] is None else float(document["duration_s"]),
        text=text,
        title=title,
        workflow_id=_maybe(document["workflow_id"]),
        workflow_version=_maybe(document["workflow_version"]),
        prompt=prompt,
        words=searchable(title, prompt, graph, inputs, text),
        models=tuple(name for name, _ in models),
        seed=_number(document["seed"]),
        backend=_maybe(document["backend"]),
        source=_text(document["source"]),
        favourite=document["favourite"] is True,
        rating=min(MAX_RATING, max(0, int(document["rating"]))),
    )
    return Sidecar(
        item,
        graph,
        inputs,
        _text(document["node_id"]),
        _text(document["prompt_id"]),
        models,
        _maybe(document["started_at"]),
        _text(document["finished_at"]),
        {str(node): float(seconds) for node, seconds in document["node_s"].items()},
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _maybe(value: object) -> str | None:
    return None if value is None else _text(value)


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int) else None


def _below(value: object) -> str:
    path = _text(value)
    if not is_below(path):
        raise ValueError("the path leads elsewhere")
    return path
