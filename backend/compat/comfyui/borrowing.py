"""Results that a graph takes as input, ``<job>/name.png [output]``: brought along, for another ComfyUI may run the job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from starlette.requests import Request

from backend.comfyui.shapes import mapping
from backend.compat.comfyui.views import Wanted, read_file
from backend.compat.identity import services_of
from backend.errors import JSON

_BORROWED = re.compile(r"([0-9a-f-]{24,36}/.+) \[(output|temp)\]", re.DOTALL)


async def with_results(request: Request, graph: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """Return *graph* with the caller's own results in the place of their names.

    Raises:
        HearthError: A result is not there, or somebody else's.
    """
    changed: dict[str, JSON] = dict(graph)
    for node_id, value in graph.items():
        node = mapping(value)
        inputs = mapping(node.get("inputs"))
        found = {
            name: match
            for name, each in inputs.items()
            if isinstance(each, str) and (match := _BORROWED.fullmatch(each))
        }
        if found:
            kept = {name: await _kept(request, match[1], match[2]) for name, match in found.items()}
            changed[node_id] = {**node, "inputs": {**inputs, **kept}}
    return changed


async def _kept(request: Request, path: str, folder: str) -> str:
    content = await read_file(request, Wanted.of({"filename": path, "type": folder}))
    return await services_of(request).uploads.keep(content, PurePosixPath(path).suffix.removeprefix("."))
