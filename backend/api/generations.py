"""Generations: jobs for ComfyUI, what happens to them, and the ComfyUIs that they run on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from backend.api.dependencies import Generator, Manager, Reader, ServicesDep
from backend.bootstrap import owner_of
from backend.generation import (
    BackendShown,
    GenerationJob,
    GenerationService,
    InvalidGeneration,
    NewGeneration,
    Owner,
    State,
    StoredEvent,
)
from backend.generation.request import MAX_PRIORITY, MAX_TAKES

router = APIRouter(prefix="/api", tags=["generations"])

_MAX_PAGE = 200
_KEEP_ALIVE_S = 15.0  # proxies cut connections that are silent for 30 s and longer
_RETRY_MS = 2000
_STREAM: dict[str, Any] = {"content": {"text/event-stream": {}}, "description": "Events until the job has ended"}
_NOT_YET: dict[str, Any] = {"description": "ComfyUI has not stopped yet; the job ends as cancelled when it does"}


class GenerationList(BaseModel):
    """One page of jobs, the newest first."""

    items: list[GenerationJob]
    total: int = Field(description="Jobs that match, on all pages")
    limit: int
    offset: int


class Generate(BaseModel):
    """What to make: exactly one of ``workflow_id``, ``prompt`` and ``workflow``."""

    workflow_id: str | None = Field(None, max_length=512, description="Of the library", examples=["text-to-image"])
    inputs: dict[str, Any] = Field(default_factory=dict, description="Values for the workflow's inputs")
    prompt: dict[str, Any] | None = Field(None, description="A graph in ComfyUI's API format")
    workflow: dict[str, Any] | None = Field(None, description="A workflow as ComfyUI's editor saves it")
    n: int = Field(1, ge=1, le=MAX_TAKES, description="Takes, each with the next seed")
    seed: int | None = Field(None, ge=0, lt=2**64, description="Of the first take")
    priority: int = Field(0, ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="Higher goes first")
    title: str | None = Field(None, max_length=200)
    webhook_url: str | None = Field(None, max_length=2048, description="Told how the job ended, signed")
    extra_data: dict[str, Any] = Field(default_factory=dict, description="Passed on to ComfyUI with the graph")


class BackendList(BaseModel):
    """Every ComfyUI that jobs may run on."""

    items: list[BackendShown]


class Drain(BaseModel):
    """Whether a backend takes nothing new."""

    draining: bool = True


def _states(state: str | None) -> tuple[State, ...]:
    names = [name.strip() for name in (state or "").split(",") if name.strip()]
    try:
        return tuple(State(name) for name in names)
    except ValueError:
        hint = f"States are: {', '.join(State)}."
        raise InvalidGeneration(f"{state!r} holds no known state.", hint=hint) from None


def _may_fail(*statuses: int) -> dict[int | str, dict[str, Any]]:
    reasons = {404: "generation_not_found", 409: "illegal_generation_state", 503: "generation_not_stored"}
    return {status: {"description": reasons.get(status, "refused")} for status in statuses}


@router.post(
    "/generations",
    status_code=202,
    summary="Generate",
    responses={
        409: {"description": "idempotency_conflict: the key belongs to another request"},
        422: {"description": "invalid_generation, invalid_inputs, missing_model, missing_node: nothing was stored"},
        429: {"description": "queue_full; Retry-After says when to try again"},
        503: {"description": "no_backend, backends_unknown, generation_not_stored"},
    },
)
async def generate(
    wanted: Generate,
    response: Response,
    services: ServicesDep,
    who: Generator,
    idempotency_key: Annotated[
        str | None, Header(max_length=255, description="The same key with the same request is the same job.")
    ] = None,
) -> GenerationJob:
    """Store a job and answer it; it survives whatever happens afterwards."""
    new = NewGeneration(**wanted.model_dump(), idempotency_key=idempotency_key, source="api")
    job = await services.generation.submit(new, owner_of(who))
    response.headers["Location"] = f"/api/generations/{job.id}"
    return job


@router.get("/generations", summary="List generations")
async def list_generations(
    services: ServicesDep,
    who: Reader,
    state: Annotated[str | None, Query(description="Only these states, separated by commas.")] = None,
    workflow_id: Annotated[str | None, Query(max_length=512)] = None,
    source: Annotated[str | None, Query(max_length=32, description="api, web, comfyui, openai or sdapi")] = None,
    q: Annotated[str, Query(max_length=200, description="Text in the title or id.")] = "",
    mine: Annotated[bool, Query(description="Only one's own, for those who see everybody's.")] = False,
    limit: Annotated[int, Query(ge=1, le=_MAX_PAGE)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> GenerationList:
    """Show jobs, the newest first: one's own, and everybody's to whoever may manage."""
    page = await services.generation.list(
        owner_of(who), states=_states(state), workflow_id=workflow_id, source=source, query=q, mine=mine,
        limit=limit, offset=offset,
    )  # fmt: skip
    return GenerationList(items=[*page.items], total=page.total, limit=limit, offset=offset)


@router.get("/generations/{job_id}", summary="Show a generation", responses=_may_fail(404))
async def show_generation(job_id: str, services: ServicesDep, who: Reader) -> GenerationJob:
    """Show one job as it is now."""
    return await services.generation.get(job_id, owner_of(who))


@router.delete(
    "/generations/{job_id}",
    summary="Cancel a generation",
    responses={202: _NOT_YET, **_may_fail(404, 409, 503)},
)
async def cancel_generation(job_id: str, response: Response, services: ServicesDep, who: Generator) -> GenerationJob:
    """Cancel a job: one that waits at once, one that runs by interrupting it, confirmed by ComfyUI's history."""
    job = await services.generation.cancel(job_id, owner_of(who))
    if job.state is not State.CANCELLED:
        response.status_code = 202
    return job


@router.post("/generations/{job_id}/retry", summary="Retry a generation", responses=_may_fail(404, 409, 503))
async def retry_generation(job_id: str, services: ServicesDep, who: Generator) -> GenerationJob:
    """Queue a job again that failed or was cancelled; what it has made already stays."""
    return await services.generation.retry(job_id, owner_of(who))


@router.get(
    "/generations/{job_id}/events",
    summary="Follow a generation",
    response_class=StreamingResponse,
    responses={200: _STREAM, **_may_fail(404)},
)
async def follow_generation(
    job_id: str,
    services: ServicesDep,
    who: Reader,
    last_event_id: Annotated[str | None, Header(max_length=20, description="Continue after this event.")] = None,
) -> StreamingResponse:
    """Tell what happened and what happens to a job as server-sent events; progress has no id and is not told again."""
    owner = owner_of(who)
    await services.generation.get(job_id, owner)  # refused before the stream begins
    after = int(last_event_id) if last_event_id is not None and last_event_id.isdecimal() else 0
    stream = _events(services.generation, job_id, owner, after)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.get("/backends", summary="List backends")
async def list_backends(services: ServicesDep, _who: Reader) -> BackendList:
    """Show every ComfyUI: how it does, what it holds in memory, what it runs."""
    return BackendList(items=services.generation.backends())


@router.post("/backends/{backend_id}/drain", summary="Drain a backend", responses={404: {"description": "unknown"}})
async def drain_backend(backend_id: str, wanted: Drain, services: ServicesDep, _who: Manager) -> BackendShown:
    """Let a backend end what it does and take nothing new, or take work again."""
    return await services.generation.drain(backend_id, draining=wanted.draining)


async def _events(generation: GenerationService, job_id: str, owner: Owner, after: int) -> AsyncGenerator[bytes]:
    yield f"retry: {_RETRY_MS}\n\n".encode()
    async with aclosing(generation.events(job_id, owner, after)) as events:
        following = asyncio.ensure_future(anext(events))
        try:
            while True:
                await asyncio.wait([following], timeout=_KEEP_ALIVE_S)
                if not following.done():
                    yield b": still here\n\n"
                    continue
                try:
                    event = following.result()
                except StopAsyncIteration:
                    return
                yield _event(event)
                following = asyncio.ensure_future(anext(events))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def _event(event: StoredEvent) -> bytes:
    """Write one event (HTML Living Standard, section 9.2.6)."""
    lines: Sequence[str] = [f"id: {event.seq}"] if event.seq else []
    data = json.dumps(event.data, separators=(",", ":"))
    return "\n".join([*lines, f"event: {event.type}", f"data: {data}", "", ""]).encode()
