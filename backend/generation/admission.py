"""Let jobs into the queue: made ready, checked against what the backends have, within the limits, and stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from backend.comfyui import Graph, ObjectInfo
from backend.database import Database
from backend.errors import JSON
from backend.generation import store
from backend.generation.backends import Backend
from backend.generation.book import Book
from backend.generation.capability import check_outputs, heavy_models, lack_of, refusal
from backend.generation.errors import (
    BackendsUnknown,
    IdempotencyConflict,
    InvalidGeneration,
    NoBackend,
    QueueFull,
)
from backend.generation.job import Job, Kind, Owner, State, Take
from backend.generation.ports import Prepare, RemediesFor
from backend.generation.prompts import prepare_takes, without_secrets
from backend.generation.request import MAX_PRIORITY, MAX_TAKES, NewGeneration
from backend.generation.webhooks import check_webhook
from backend.kit.clock import utc_now
from backend.kit.ids import new_id

_RETRY_AFTER_S = 15
_STARTING_S = 5
_MAX_KEY = 255
_MAX_TITLE = 200


class Admission:
    """Stand at the door of the queue.

    Args:
        max_depth: Jobs that may wait, of all owners; ``max_depth_per_user`` of one.
        can_sign: Whether messages to webhooks can be signed.
    """

    def __init__(
        self,
        *,
        database: Database,
        book: Book,
        backends: Mapping[str, Backend],
        prepare: Prepare,
        remedies_for: RemediesFor,
        max_depth: int,
        max_depth_per_user: int,
        can_sign: bool,
    ) -> None:
        self._database = database
        self._book = book
        self._backends = backends
        self._prepare = prepare
        self._remedies_for = remedies_for
        self._max_depth = max_depth
        self._max_depth_per_user = max_depth_per_user
        self._can_sign = can_sign
        self._secrets: dict[str, Mapping[str, JSON]] = {}
        self._door = asyncio.Lock()

    def secrets_of(self, job_id: str) -> Mapping[str, JSON]:
        """Return what a job brought along that is not stored; nothing after a restart."""
        return self._secrets.get(job_id, {})

    def forget(self, job_id: str) -> None:
        """Forget the secrets of a job that has ended."""
        self._secrets.pop(job_id, None)

    async def admit(self, new: NewGeneration, owner: Owner) -> tuple[Job, bool]:
        """Store a job for *new* and return it with True, or the job of an earlier request with the same key, and False.

        Raises:
            InvalidGeneration: The request cannot be meant.
            NoBackend: There is nothing to run on.
            IdempotencyConflict: The key was used for another request.
            QueueFull: Too much waits.
            MissingNode, MissingModel: No backend has what the graph needs.
            HearthError: What preparing the workflow raises.
            GenerationNotStored: Nothing was stored.
        """
        self._check(new)
        known = await self._known(new, owner)
        if known is not None:
            return known, False
        self._check_depth(owner)
        job, secrets = await self._job(new, owner)
        async with self._door:
            # Looked at again: the same request may have come in twice at once, and others have filled the queue.
            known = await self._known(new, owner)
            if known is not None:
                return known, False
            self._check_depth(owner)
            if secrets:
                self._secrets[job.id] = secrets
            await self._book.add(job, idempotency_key=new.idempotency_key, fingerprint=new.fingerprint())
        return job, True

    def _check(self, new: NewGeneration) -> None:
        if sum(each is not None for each in (new.workflow_id, new.prompt, new.workflow)) != 1:
            raise InvalidGeneration("The request must name exactly one of workflow_id, prompt and workflow.")
        if not 1 <= new.n <= MAX_TAKES:
            raise InvalidGeneration(f"n must be between 1 and {MAX_TAKES}.", hint="Send several requests.")
        if abs(new.priority) > MAX_PRIORITY:
            raise InvalidGeneration(f"The priority must be between -{MAX_PRIORITY} and {MAX_PRIORITY}.")
        if new.seed is not None and not 0 <= new.seed < 2**64:
            raise InvalidGeneration("The seed must be between 0 and 2^64 - 1.")
        if new.idempotency_key is not None and not 1 <= len(new.idempotency_key) <= _MAX_KEY:
            raise InvalidGeneration(f"The Idempotency-Key must have 1 to {_MAX_KEY} characters.")
        if new.webhook_url is not None:
            check_webhook(new.webhook_url, has_secret=self._can_sign)
        if not self._backends:
            raise NoBackend("There is no ComfyUI to generate with.")

    async def _known(self, new: NewGeneration, owner: Owner) -> Job | None:
        key = new.idempotency_key
        if key is None:
            return None
        found = await self._database.read(lambda connection: store.find_by_key(connection, owner.id, key))
        if found is None:
            return None
        job_id, fingerprint = found
        if fingerprint != new.fingerprint():
            raise IdempotencyConflict("This Idempotency-Key was used for another request.", details={"job_id": job_id})
        return await self._book.job(job_id)

    def _check_depth(self, owner: Owner) -> None:
        waiting = [job for job in self._book.unfinished.values() if job.state is State.QUEUED]
        own = sum(job.owner.id == owner.id for job in waiting)
        for count, limit, whose in ((own, self._max_depth_per_user, "Your"), (len(waiting), self._max_depth, "The")):
            if count >= limit:
                raise QueueFull(
                    f"{whose} queue is full: {count} jobs wait.",
                    details={"limit": limit, "waiting": count, "retry_after_s": _RETRY_AFTER_S},
                )

    async def _job(self, new: NewGeneration, owner: Owner) -> tuple[Job, Mapping[str, JSON]]:
        infos = [backend.info for backend in self._backends.values() if backend.info is not None]
        if not infos and new.prompt is None:
            raise BackendsUnknown(
                "No ComfyUI has told its nodes yet, so the workflow cannot be made ready.",
                details={"retry_after_s": _STARTING_S},
            )
        best = max(infos, key=lambda info: len(info.classes), default=None)
        first, takes = await prepare_takes(new, best, self._prepare)
        graph = await self._checked(takes)
        kept, secrets = without_secrets(new.extra_data)
        infos = [backend.info for backend in self._backends.values() if backend.info is not None]
        job = Job(
            id=new.id or new_id(),
            owner=owner,
            source=new.source,
            kind=Kind.WORKFLOW if new.workflow_id is not None else Kind.PROMPT,
            title=(new.title or first.title)[:_MAX_TITLE],
            takes=takes,
            created_at=utc_now(),
            workflow_id=first.workflow_id,
            workflow_version=first.version,
            inputs=first.inputs or new.inputs,
            extra_data=kept,
            priority=new.priority,
            webhook_url=new.webhook_url,
            models=heavy_models(graph, infos),
        )
        return job, secrets

    async def _checked(self, takes: Sequence[Take]) -> Graph:
        """Make sure that some backend can run the first take; they differ in their seeds only."""
        graph = Graph.parse(takes[0].graph)
        infos = {name: backend.info for name, backend in self._backends.items()}
        check_outputs(graph, [info for info in infos.values() if info is not None])
        if not _is_refused(graph, infos):
            return graph
        # Lists grow with every download: ask again before refusing.
        fresh = {name: await backend.refresh() for name, backend in self._backends.items()}
        if _is_refused(graph, fresh):
            lacks = [lack_of(name, graph, info) for name, info in fresh.items() if info is not None]
            raise refusal(lacks, graph, self._remedies_for)
        return graph


def _is_refused(graph: Graph, infos: Mapping[str, ObjectInfo | None]) -> bool:
    """Tell whether every backend is known, and none has all that *graph* needs."""
    return all(info is not None and lack_of(name, graph, info) for name, info in infos.items())
