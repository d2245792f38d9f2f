"""What ComfyUI itself has against a graph, in its own words, before a job is made of it.

Hearth checks first, by what the server told about its nodes. Only what looks wrong is sent for judgement, and of a graph
only the outputs that look wrong: ComfyUI refuses them, and says why. Should it accept them, they are dropped at once and the
job is made.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from backend.comfyui import ComfyUIError, Graph, ObjectInfo
from backend.comfyui.shapes import mapping, sequence
from backend.compat.comfyui.address import view_target
from backend.errors import JSON
from backend.generation import Backend, GenerationService
from backend.generation.uploads import names_in
from backend.generation.workflows import Trouble, find_problems

_MAX_ANSWER_BYTES = 4 * 1024**2
_PATIENCE_S = 10.0
_ANNOTATED = re.compile(r"(.*) \[(input|output|temp)\]", re.DOTALL)

GraphDocument = Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class Verdict:
    """ComfyUI's answer. ``is_final``: nothing of the graph would run."""

    status: int
    document: Mapping[str, JSON]
    is_final: bool


async def judged(generation: GenerationService, graph: GraphDocument, targets: Sequence[str] | None) -> Verdict | None:
    """Return what ComfyUI has against *graph*; None when there is nothing, or when none can be asked."""
    asked: Backend | None = None
    suspects: set[str] | None = None
    for shown in generation.backends():
        backend = generation.backend(shown.id)
        if not backend.is_up or backend.info is None:
            continue
        found = await _suspects(backend, graph, targets)
        if found is not None and not found:
            return None
        if asked is None:
            asked, suspects = backend, found
    if asked is None:
        return None
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await _tried(asked, graph, suspects, targets)
    except (ComfyUIError, TimeoutError):
        return None


async def _suspects(backend: Backend, graph: GraphDocument, targets: Sequence[str] | None) -> set[str] | None:
    """Return the output nodes that look wrong; None when the graph as a whole does."""
    assert backend.info is not None
    try:
        parsed = Graph.parse(graph)
    except ComfyUIError:
        return None
    outputs = [node for node in backend.info.output_nodes(parsed) if targets is None or node in targets]
    plain = cast("Mapping[str, Mapping[str, JSON]]", graph)
    found = await asyncio.to_thread(find_problems, plain, backend.info.document)
    # Lists of files show the top of the input folder only, so the files themselves are looked for.
    problems = [each for each in found if each.trouble is not Trouble.MISSING_FILE]
    ours = set(names_in(graph))  # brought to ComfyUI with the job
    named = [(node, value) for node, value in _unlisted(parsed, backend.info) if value not in ours]
    wrong = {each.node_id for each in problems} | {node for node, value in named if not await _is_there(backend, value)}
    if any(each.trouble is Trouble.UNKNOWN_NODE for each in problems) or (not outputs and problems):
        return None
    return {node for node in outputs if wrong & _reached(parsed, node)}


def _unlisted(graph: Graph, info: ObjectInfo) -> Iterator[tuple[str, str]]:
    """Walk the nodes that name a file for input which is not listed, with what they name."""
    for node in graph.nodes.values():
        known = info.classes.get(node.class_type)
        for name, value in node.inputs.items():
            spec = None if known is None else known.inputs.get(name)
            if spec is None or not isinstance(value, str) or value in (spec.choices or ()):
                continue
            if any(key.endswith("_upload") and on is True for key, on in spec.options.items()):
                yield node.id, value


async def _is_there(backend: Backend, value: str) -> bool:
    annotated = _ANNOTATED.fullmatch(value)
    path, folder = (annotated[1], annotated[2]) if annotated else (value, "input")
    below, _, name = path.rpartition("/")
    try:
        async with backend.client.passthrough.open("GET", view_target(name, below, folder, {})) as passed:
            return passed.status == 200
    except ComfyUIError:
        return True  # ComfyUI says so itself when the job runs


def _reached(graph: Graph, node_id: str) -> set[str]:
    reached: set[str] = set()
    pending = [node_id]
    while pending:
        each = pending.pop()
        if each not in reached:
            reached.add(each)
            pending += [link.source for link in graph.nodes[each].links()]
    return reached


async def _tried(
    backend: Backend, graph: GraphDocument, suspects: set[str] | None, targets: Sequence[str] | None
) -> Verdict | None:
    prompt_id = str(uuid.uuid4())
    # A client id of nobody: without any, ComfyUI tells everybody about it.
    body: dict[str, JSON] = {"prompt": graph, "prompt_id": prompt_id, "client_id": uuid.uuid4().hex}
    chosen = sorted(suspects) if suspects else targets
    if chosen is not None:
        body["partial_execution_targets"] = list(chosen)
    content = await asyncio.to_thread(lambda: json.dumps(body).encode("utf-8", "surrogatepass"))
    status, answer = await backend.client.passthrough.read("POST", "/prompt", _MAX_ANSWER_BYTES, content)
    if status == 200:
        await backend.drop(prompt_id)
        return None
    document = _parsed(answer)
    if status != 400 or not mapping(document.get("error")):
        return None
    kind = mapping(document["error"]).get("type")
    everything = suspects is None or len(suspects) == len(_outputs(backend, graph, targets))
    return Verdict(status, document, is_final=everything or kind != "prompt_outputs_failed_validation")


def _outputs(backend: Backend, graph: GraphDocument, targets: Sequence[str] | None) -> list[str]:
    assert backend.info is not None
    return [node for node in backend.info.output_nodes(Graph.parse(graph)) if targets is None or node in targets]


def _parsed(body: bytes) -> dict[str, JSON]:
    try:
        return mapping(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def without_rest(graph: GraphDocument, targets: Sequence[JSON]) -> GraphDocument:
    """Return the part of *graph* that *targets* depend on: what a partial execution runs.

    Raises:
        InvalidInput: It is no graph.
    """
    parsed = Graph.parse(graph)
    known = [each for each in targets if isinstance(each, str) and each in parsed.nodes]
    kept = set[str]().union(*(_reached(parsed, each) for each in known))
    return {node: value for node, value in graph.items() if node in kept} if kept else graph


def node_errors(verdict: Verdict | None) -> Mapping[str, JSON]:
    """Return what an accepted prompt is told about the outputs that will not be made."""
    return {} if verdict is None else mapping(verdict.document.get("node_errors"))


def texts_of(value: JSON) -> list[str] | None:
    """Return the strings in a list, None when it is none."""
    return [each for each in sequence(value) if isinstance(each, str)] if isinstance(value, list) else None
