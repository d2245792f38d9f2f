"""The whole state of a topic, as the first frame of a WebSocket tells it and as a slow client is served afresh."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeAlias, cast

from backend.errors import JSON
from backend.events.types import DOWNLOADS, GENERATIONS, PRESETS, STORAGE, SYSTEM, WORKFLOWS
from backend.generation import Owner
from backend.generation.job import ENDED

if TYPE_CHECKING:
    from backend.bootstrap import Services

_HISTORY = 20
_QUEUE = 1000

Snapshot: TypeAlias = Mapping[str, JSON]


async def snapshot(services: Services, topic: str, key: str | None, owner: Owner) -> Snapshot:
    """Return the state of *topic*, or of what *key* names in it, as far as *owner* may see it.

    Raises:
        HearthError: *key* names nothing.
    """
    if topic == GENERATIONS:
        return await _generations(services, key, owner)
    if key is not None:
        return (await services.downloads.get_progress(key)).as_dict()
    return await _OF_TOPIC[topic](services)


async def _downloads(services: Services) -> Snapshot:
    """Return the queue in its order, then what ended last."""
    queue = await services.downloads.list(active=True, limit=_QUEUE)
    ended = await services.downloads.list(active=False, limit=_HISTORY)
    items: list[JSON] = [job.as_dict() for job in (*queue.items, *ended.items)]
    return {"items": items, "total": queue.total + ended.total, "queue": cast("JSON", asdict(queue.queue))}


async def _generations(services: Services, key: str | None, owner: Owner) -> Snapshot:
    """Return one job; or those that wait or run, in their order, then what ended last, and the backends."""
    if key is not None:
        return (await services.generation.get(key, owner)).as_dict()
    unfinished = services.generation.unfinished(owner)[:_QUEUE]
    page = await services.generation.list(owner, states=ENDED, limit=_HISTORY)
    items: list[JSON] = [job.as_dict() for job in (*unfinished, *page.items)]
    backends: list[JSON] = [cast("JSON", asdict(backend)) for backend in services.generation.backends()]
    return {"items": items, "total": len(unfinished) + page.total, "backends": backends}


async def _system(services: Services) -> Snapshot:
    return await services.host_sample()


async def _storage(services: Services) -> Snapshot:
    return {"items": (await services.host_sample())["disks"]}


async def _presets(services: Services) -> Snapshot:
    return {preset_id: str(state.status) for preset_id, state in services.presets.states().states.items()}


async def _workflows(services: Services) -> Snapshot:
    """Return a text for each of the user's own workflows that changes when it does."""
    return {**await asyncio.to_thread(services.workflows.outline)}


_OF_TOPIC: Mapping[str, Callable[[Services], Awaitable[Snapshot]]] = {
    DOWNLOADS: _downloads,
    SYSTEM: _system,
    STORAGE: _storage,
    PRESETS: _presets,
    WORKFLOWS: _workflows,
}
