"""POST /prompt: a graph becomes a job, under the id that the client chose."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from backend.comfyui import InvalidInput
from backend.comfyui.shapes import mapping
from backend.compat.comfyui.borrowing import with_results
from backend.compat.comfyui.errors import PromptIdTaken, UnreadableBody
from backend.compat.comfyui.trial import judged, node_errors, texts_of, without_rest
from backend.compat.identity import owner_of, services_of
from backend.errors import JSON
from backend.generation import GenerationNotFound, Job, NewGeneration, Owner

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MAX_CLIENT_ID = 200
_OFF_THE_LOOP_BYTES = 262_144
_FRONT = 10  # priority of what is to go before everything that waits
_EVERYTHING = Owner("", "", is_admin=True)


async def body_of(request: Request) -> dict[str, JSON]:
    """Return the request's JSON object, an empty one for other JSON; its content type does not matter, as with ComfyUI.

    Raises:
        UnreadableBody: It is no JSON.
    """
    raw = await request.body()
    if not raw.strip():
        return {}
    try:
        document: object = (
            json.loads(raw) if len(raw) < _OFF_THE_LOOP_BYTES else await asyncio.to_thread(json.loads, raw)
        )
    except (ValueError, RecursionError):
        raise UnreadableBody("The request's body is no JSON.") from None
    return mapping(document)


async def post_prompt(request: Request) -> Response:
    """Queue a graph, or say in ComfyUI's words what is wrong with it.

    ``number`` counts for nothing: Hearth is fair between its users. ``front`` goes before what waits with less priority.
    """
    body = await body_of(request)
    graph = body.get("prompt")
    if graph is None:
        return JSONResponse(_no_prompt(), 400)
    if not isinstance(graph, dict):
        raise InvalidInput("A graph is a JSON object with one entry per node.")
    services, owner = services_of(request), owner_of(request)
    graph = await with_results(request, graph)
    known = await _known(request, body.get("prompt_id"), graph, owner)
    if known is not None:
        return _accepted(known, {})
    targets = texts_of(body.get("partial_execution_targets"))
    verdict = await judged(services.generation, graph, targets)
    if verdict is not None and verdict.is_final:
        return JSONResponse(dict(verdict.document), verdict.status)
    new = _request(body, graph if targets is None else without_rest(graph, targets))
    job = await services.generation.submit(new, owner)
    return _accepted(await services.generation.record(job.id, owner), node_errors(verdict))


def _request(body: Mapping[str, JSON], graph: Mapping[str, JSON]) -> NewGeneration:
    extra_data = dict(mapping(body.get("extra_data")))
    client_id = body.get("client_id")
    if isinstance(client_id, str) and client_id:
        extra_data["client_id"] = client_id[:MAX_CLIENT_ID]
    priority = _FRONT if body.get("front") is True else 0
    return NewGeneration(
        prompt=graph, priority=priority, extra_data=extra_data, source="comfyui", id=_id(body.get("prompt_id"))
    )


async def _known(request: Request, wanted: JSON, graph: Mapping[str, JSON], owner: Owner) -> Job | None:
    """Return the caller's own job of that id: a request that is sent again is the same request.

    Raises:
        PromptIdTaken: It is somebody else's, or was another request.
    """
    if _UUID.fullmatch(str(wanted)) is None:
        return None
    try:
        job = await services_of(request).generation.record(str(wanted), _EVERYTHING)
    except GenerationNotFound:
        return None
    # A partial execution was stored without the rest of its graph.
    is_same = all(graph.get(node) == value for node, value in job.takes[0].graph.items())
    if job.owner.id != owner.id or not is_same:
        raise PromptIdTaken(f"There is a job {wanted} already.")
    return job


def _id(wanted: JSON) -> str:
    """Return the id of the new job: the client's, when it is canonical, else a new one."""
    return wanted if isinstance(wanted, str) and _UUID.fullmatch(wanted) else str(uuid.uuid4())


def _accepted(job: Job, errors: Mapping[str, JSON]) -> Response:
    number = int(job.created_at.timestamp() * 1000)
    return JSONResponse({"prompt_id": job.id, "number": number, "node_errors": dict(errors)})


def _no_prompt() -> dict[str, JSON]:
    error: dict[str, JSON] = {
        "type": "no_prompt", "message": "No prompt provided", "details": "No prompt provided", "extra_info": {},
    }  # fmt: skip
    return {"error": error, "node_errors": {}}
