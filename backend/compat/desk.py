"""Where foreign protocols meet Hearth's own parts: every one of them asks here, and only here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from starlette.requests import Request

from backend.bootstrap import Services
from backend.compat.errors import NoSuchModel
from backend.compat.identity import owner_of, services_of
from backend.compat.library import Library
from backend.compat.pictures import Picture
from backend.compat.workflow import Workflow
from backend.errors import JSON
from backend.events import Event
from backend.events.types import GENERATION_PREVIEW, GENERATION_PROGRESS, GENERATIONS
from backend.generation import GenerationJob, IllegalGenerationState, NewGeneration, Owner, Source
from backend.generation.job import ENDED
from backend.generation.shown import ResultShown
from backend.generation.workflows import Role

DEFAULT_MODEL = "hearth-default"
IDLE_S = 15.0  # proxies cut connections that are silent for 30 s and longer


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants made."""

    workflow: Workflow
    inputs: Mapping[str, JSON]
    n: int
    seed: int | None
    source: Source
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the job is: 0 to 1, the steps of its sampler, and seconds left where past runs tell."""

    ratio: float
    step: int
    steps: int
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """The picture as it looks now."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing was heard for :data:`IDLE_S`."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The job ended; nothing follows."""

    job: GenerationJob


Update: TypeAlias = Progress | Preview | Idle | Ended


class Desk:
    """Serve one caller."""

    def __init__(self, services: Services, library: Library, owner: Owner) -> None:
        self.owner = owner
        self._services = services
        self._library = library

    @classmethod
    def of(cls, request: Request) -> Desk:
        """Return the desk for the caller of *request*."""
        services, state = services_of(request), request.app.state
        if not hasattr(state, "compat_library"):
            state.compat_library = Library(services.workflows, services.generation)
        return cls(services, state.compat_library, owner_of(request))

    async def workflows(self) -> Sequence[Workflow]:
        """List the workflows that make pictures."""
        return await self._library.pictured()

    async def workflow(self, model: str | None, *, pictures: int = 0, mask: bool = False) -> Workflow:
        """Return the workflow that a request calls *model*.

        Args:
            pictures: How many the request brings; only used where it names no model.
            mask: Likewise.
        Raises:
            NoSuchModel: There is none of that id, or none that could be the default.
        """
        if model in (None, "", DEFAULT_MODEL):
            found = await self.default(pictures=pictures, mask=mask)
            if found is None:
                raise NoSuchModel("No workflow here can answer this request.", hint=_WHY_NONE)
            return found
        found = await self._library.find(str(model))
        if found is None:
            raise NoSuchModel(f"The model {str(model)[:200]!r} does not exist here: models are workflows.")
        return found

    async def default(self, *, pictures: int = 0, mask: bool = False) -> Workflow | None:
        """Return the workflow that people chose where it takes what the request brings, else the first that does."""
        chosen = self._services.preferences.get("default_image_workflow")
        named = await self._library.find(chosen) if isinstance(chosen, str) and chosen else None
        if named is not None and _fits(named, pictures, mask=mask):
            return named
        able = [each for each in await self.workflows() if each.runs_here and _fits(each, pictures, mask=mask)]
        return able[0] if able else None

    async def keep(self, picture: Picture) -> JSON:
        """Keep a picture that the caller sent; return the value by which an input of a workflow names it."""
        return await self._services.uploads.keep(picture.data, picture.extension)

    async def submit(self, order: Order) -> GenerationJob:
        """Make a job of *order*; it is stored when this returns.

        Raises:
            HearthError: It is refused.
        """
        new = NewGeneration(
            workflow_id=order.workflow.id,
            inputs=order.inputs,
            n=order.n,
            seed=order.seed,
            idempotency_key=order.idempotency_key,
            source=order.source,
        )
        return await self._services.generation.submit(new, self.owner)

    async def cancel(self, job_id: str) -> None:
        """End a job, unless it has ended."""
        with suppress(IllegalGenerationState):
            await self._services.generation.cancel(job_id, self.owner)

    async def follow(self, job_id: str) -> AsyncGenerator[Update]:
        """Tell what happens to a job, until it has ended."""
        subscription = self._services.hub.subscribe((GENERATIONS,), key=job_id)
        with subscription:
            while True:
                # Asked after listening began, and again after every change: nothing falls between the two.
                job = await self._services.generation.get(job_id, self.owner)
                if job.state in ENDED:
                    yield Ended(job)
                    return
                changed = False
                while not changed:
                    try:
                        async with asyncio.timeout(IDLE_S):
                            heard = await subscription.next()
                    except TimeoutError:
                        yield Idle()
                        continue
                    if subscription.lost:
                        subscription.resume()
                    changed = not heard or any(each.event.lasting for each in heard)
                    for each in heard:
                        if (update := _update(each.event)) is not None:
                            yield update

    async def read(self, result: ResultShown) -> bytes:
        """Return the bytes of a result.

        Raises:
            HearthError: They are gone.
        """
        file = await self._services.results.gallery.file(result.id, self.owner)
        return await asyncio.to_thread(file.path.read_bytes)


_WHY_NONE = "Hearth needs a ComfyUI (COMFYUI_URL or COMFYUI_DIR) and a workflow that makes a picture of what was sent."


def _fits(workflow: Workflow, pictures: int, *, mask: bool) -> bool:
    takes = workflow.pictures
    return (
        workflow.role(Role.PROMPT) is not None
        and takes >= pictures
        and bool(takes) == bool(pictures)
        and workflow.takes_mask == mask
    )


def _update(event: Event) -> Update | None:
    if event.type == GENERATION_PROGRESS:
        return _progress(event.data)
    if event.type == GENERATION_PREVIEW and event.blob is not None:
        return Preview(event.blob)
    return None


def _progress(data: Mapping[str, JSON]) -> Progress:
    step = data.get("step")
    step = step if isinstance(step, Mapping) else {}
    return Progress(
        ratio=_number(data.get("progress_ratio")),
        step=int(_number(step.get("value"))),
        steps=int(_number(step.get("max"))),
        eta_s=_number(data.get("eta_s")) if data.get("eta_s") is not None else None,
    )


def _number(value: JSON) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
