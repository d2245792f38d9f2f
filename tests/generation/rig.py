"""Generation with everything real around it: database, results, backends that are simulated servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from backend.comfyui import FollowPace, StreamPace
from backend.database import Database
from backend.events import Event, Hub
from backend.generation import (
    Backend,
    BackendPace,
    GenerationJob,
    GenerationLimits,
    GenerationService,
    NewGeneration,
    Owner,
    Remedy,
    State,
)
from backend.generation.job import ENDED
from backend.generation.preparing import Preparer
from backend.generation.results import Remote, Results, UploadPace
from backend.generation.uploads import Uploads
from backend.generation.workflows import WorkflowLibrary

DEADLINE_S = 20.0
OWNER = Owner("owner", "owner", is_admin=True)
ALICE = Owner("key:alice", "alice")
BOB = Owner("key:bob", "bob")

PACE = BackendPace(
    well_s=0.5,
    ill_s=0.05,
    info_s=5.0,
    follow=FollowPace(calm_s=0.5, eager_s=0.05, stopping_s=0.05, first_look_s=0.02, idle_s=1.0, unreachable_s=2.0),
    stream=StreamPace(backoff_base_s=0.02, backoff_cap_s=0.1, flags_s=0.5),
)


@dataclass
class Sent:
    """A message that went to a webhook."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Rig:
    """Open with ``async with``; :meth:`crash` ends one life as a power cut does, and begins the next on the same folder."""

    folder: Path
    urls: Sequence[str]
    limits: GenerationLimits = field(
        default_factory=lambda: GenerationLimits(pin_grace_s=0.5, patience_s=0.3, sweep_s=0.1)
    )
    webhook_secret: str | None = None
    post_status: Callable[[Sent], int] = lambda _sent: 200
    remedies: Mapping[str, Remedy] = field(default_factory=dict)
    remote: Remote | None = None
    events: list[Event] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        self.database = await asyncio.to_thread(Database.open, self.folder / "config" / "hearth.db")
        self.hub = Hub()
        self.outputs = self.folder / "outputs"
        self.results = await Results.open(
            self.outputs,
            self.database,
            hash_of=lambda *_: None,
            remote=self.remote,
            upload_pace=UploadPace(base_s=0.05, cap_s=0.2, look_s=0.2),
        )
        self.library = WorkflowLibrary(self.folder / "workflows")
        self.service = GenerationService(
            database=self.database,
            hub=self.hub,
            backends=[self._backend(url) for url in self.urls],
            results=self.results.collector,
            prepare=Preparer(self.library),
            remedies_for=lambda names: [self.remedies[name] for name in names if name in self.remedies],
            post=self._post,
            uploads=Uploads(self.folder / "uploads"),
            webhook_secret=self.webhook_secret,
            limits=self.limits,
            copies=self.results.uploader,
        )
        self._listening = asyncio.create_task(self._listen())
        await asyncio.sleep(0)
        await self.service.start()

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.wait([self._listening])
        await self.service.close()
        await self.results.close()
        await asyncio.to_thread(self.database.close)

    async def restart(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """End in order, let something happen, and begin again."""
        await self.close()
        await asyncio.to_thread(meanwhile)
        await self.open()

    async def submit(self, prompt: Mapping[str, Any], owner: Owner = OWNER, **more: Any) -> GenerationJob:
        return await self.service.submit(NewGeneration(prompt=prompt, **more), owner)

    async def until(
        self, job_id: str, *states: str, holds: Callable[[GenerationJob], object] = lambda _: True
    ) -> GenerationJob:
        """Wait until a job is in one of *states* (or has ended), and *holds*."""
        wanted = {State(state) for state in states} or ENDED
        job = await self.service.get(job_id, OWNER)
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not (job.state in wanted and holds(job)):
                    if job.state in ENDED and not wanted & ENDED:
                        raise TimeoutError
                    await asyncio.sleep(0.01)
                    job = await self.service.get(job_id, OWNER)
        except TimeoutError:
            raise AssertionError(f"it did not come to that: {job}") from None
        return job

    async def ended(self, jobs: Sequence[GenerationJob]) -> list[GenerationJob]:
        return [await self.until(job.id) for job in jobs]

    async def up(self, count: int | None = None) -> None:
        """Wait until so many backends answer."""
        async with asyncio.timeout(DEADLINE_S):
            while sum(backend.is_up for backend in self.service._backends.values()) < (count or len(self.urls)):
                await asyncio.sleep(0.01)

    def files(self) -> list[Path]:
        """Return the results on disk, without sidecars."""
        found = [path for path in self.outputs.rglob("*") if path.is_file() and path.suffix != ".json"]
        return sorted(
            path for path in found if not any(part.startswith(".") for part in path.relative_to(self.outputs).parts)
        )

    def _backend(self, url: str) -> Backend:
        backend = Backend(url, changed=lambda: self.service.backend_changed(backend.id), pace=PACE)
        return backend

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        sent = Sent(url, body, headers)
        self.sent.append(sent)
        return self.post_status(sent)

    async def _listen(self) -> None:
        with self.hub.subscribe(["generations"]) as subscription:
            while True:
                self.events += [numbered.event for numbered in await subscription.next()]
