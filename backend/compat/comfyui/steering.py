"""The queue, the history, and what changes them: always of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from backend.comfyui import ComfyUIError
from backend.compat.comfyui.errors import UnreadableBody
from backend.compat.comfyui.prompts import body_of
from backend.compat.comfyui.records import Records
from backend.compat.comfyui.trial import texts_of
from backend.compat.identity import owner_of, services_of
from backend.errors import HearthError
from backend.generation import GenerationNotFound, GenerationService, Owner, State
from backend.logs import get_logger

log = get_logger(__name__)

_MAX_HISTORY = 200
_errands: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly


def records_of(request: Request) -> Records:
    """Return the jobs of who asks."""
    return Records(request, owner_of(request))


async def get_prompt(request: Request) -> Response:
    """Tell how many jobs wait or run."""
    remaining = services_of(request).generation.depth(owner_of(request))
    return JSONResponse({"exec_info": {"queue_remaining": remaining}})


async def get_queue(request: Request) -> Response:
    """Tell what runs and what waits."""
    return JSONResponse(await records_of(request).queue())


async def get_history(request: Request) -> Response:
    """Tell what has ended; 200 records at most."""
    query = request.query_params
    limit = min(_whole(query.get("max_items"), _MAX_HISTORY), _MAX_HISTORY)
    return JSONResponse(await records_of(request).history(limit, _whole(query.get("offset"), -1)))


async def get_record(request: Request, job_id: str) -> Response:
    """Tell one record; an id that is not known is an empty answer, as with ComfyUI."""
    try:
        return JSONResponse(await records_of(request).record(job_id))
    except GenerationNotFound:
        return JSONResponse({})


async def post_queue(request: Request) -> Response:
    """Take jobs out that wait: those that are named, or all of the caller's own."""
    body, owner, generation = await body_of(request), owner_of(request), services_of(request).generation
    ids = set(texts_of(body.get("delete")) or ())
    clear = body.get("clear") is True
    for job in await _own(generation, owner, ids, every=clear):
        if job.state is State.QUEUED:
            await cancel(generation, job.id, owner)
    return Response()


async def post_interrupt(request: Request) -> Response:
    """Stop what runs: the job that is named, or all of the caller's own."""
    body, owner, generation = await body_of(request), owner_of(request), services_of(request).generation
    named = body.get("prompt_id")
    ids = {named} if isinstance(named, str) else set[str]()
    for job in await _own(generation, owner, ids, every=not ids):
        if job.state is State.RUNNING:
            # ComfyUI answers before it has stopped, and clients wait for the message that says so.
            _aside(cancel(generation, job.id, owner))
    return Response()


async def post_history(request: Request) -> Response:
    """Leave records out of the caller's history from now on: all of them, or those named; results stay in the gallery."""
    body, owner, history = await body_of(request), owner_of(request), services_of(request).generation.history
    if body.get("clear") is True:
        await history.hide(owner)
    elif ids := texts_of(body.get("delete")):
        await history.hide(owner, ids)
    return Response()


async def post_free(request: Request) -> Response:
    """Have every ComfyUI give its memory back."""
    body, generation = await body_of(request), services_of(request).generation
    for shown in generation.backends():
        backend = generation.backend(shown.id)
        try:
            unload, free = body.get("unload_models") is True, body.get("free_memory") is True
            await backend.client.free(unload_models=unload, free_memory=free)
        except ComfyUIError as error:
            log.info("memory_not_freed", backend=backend.id, reason=error.message)
    return Response()


async def cancel_job(request: Request, job_id: str) -> Response:
    """End a job, waiting or running; tell whether there was something to end."""
    owner, generation = owner_of(request), services_of(request).generation
    found = await _own(generation, owner, {job_id}, every=False)
    for job in found:
        _aside(cancel(generation, job.id, owner))
    return JSONResponse({"cancelled": bool(found)})


class _Unfinished:
    """Id and state of a job that has not ended."""

    def __init__(self, job_id: str, state: State) -> None:
        self.id = job_id
        self.state = state


async def _own(generation: GenerationService, owner: Owner, ids: set[str], *, every: bool) -> list[_Unfinished]:
    """Return unfinished jobs: those of *ids* that *owner* may see, or every one that is the owner's own."""
    found: list[_Unfinished] = []
    for shown in generation.unfinished(owner):
        job = await generation.record(shown.id, owner)
        if job.id in ids or (every and job.owner.id == owner.id):
            found.append(_Unfinished(job.id, job.state))
    return found


async def cancel(generation: GenerationService, job_id: str, owner: Owner) -> None:
    """End a job; one that has ended meanwhile is left as it is."""
    try:
        await generation.cancel(job_id, owner)
    except HearthError as error:
        log.debug("job_not_cancelled", job=job_id, reason=error.message)


def _aside(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work, name="comfyui interrupt")
    _errands.add(task)
    task.add_done_callback(_errands.discard)


def _whole(text: str | None, default: int) -> int:
    try:
        return default if text is None else int(text)
    except ValueError:
        raise UnreadableBody(f"{text[:40] if text else ''!r} is no whole number.") from None
