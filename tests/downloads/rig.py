"""A download queue with everything real below it: engine, sources, ledger, folders, database; on a folder of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from backend.database import Database
from backend.downloads import DownloadJob, DownloadService, TransferEngine
from backend.events import Event, Hub
from backend.paths import ModelPaths
from backend.presets.preset import PresetFile
from backend.sources import Sources, Tokens
from backend.storage import Ledger
from tests.fakes.content import Content
from tests.fakes.faults import Fault
from tests.fakes.model_host import ModelHost

DEADLINE_S = 20.0


@dataclass(frozen=True)
class Wanted:
    """A preset as the queue needs it."""

    id: str
    name: str
    files: tuple[PresetFile, ...]


class UnknownPreset(LookupError):
    """The test asked for a preset that it has not made."""


@dataclass
class Rig:
    """Open with ``async with``; :meth:`crash` and :meth:`restart` end one life and begin the next on the same folder."""

    folder: Path
    max_parallel: int = 4
    reserve_bytes: int = 0
    hf_endpoint: str = "http://127.0.0.1:9"
    workspace: Path | None = None
    presets: dict[str, Wanted] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    @property
    def models(self) -> Path:
        """The folder that downloads go to."""
        return (self.workspace or self.folder / "workspace") / "ComfyUI" / "models"

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _open(self) -> None:
        workspace = self.workspace or self.folder / "workspace"
        config = self.folder / "config"
        await asyncio.to_thread(config.mkdir, parents=True, exist_ok=True)
        self.database = await asyncio.to_thread(Database.open, config / "hearth.db")
        self.paths = await asyncio.to_thread(lambda: ModelPaths.open(workspace, (), probes=()))
        self.ledger = Ledger(self.database)
        await self.ledger.load()
        self.tokens = await asyncio.to_thread(Tokens.open, config / "tokens.json", {})
        self.sources = Sources(
            hf_endpoint=self.hf_endpoint,
            civitai_endpoint="http://127.0.0.1:9",
            github_endpoint="http://127.0.0.1:9",
            tokens=self.tokens,
        )
        self.engine = await asyncio.to_thread(
            lambda: TransferEngine(
                explain=self.sources.explain,
                reserve_bytes=lambda: self.reserve_bytes,
                retries=2,
                backoff_base_s=0.05,
                stall_timeout_s=5,
            )
        )
        self.engine.start()
        self.hub = Hub()
        self.service = DownloadService(
            database=self.database,
            engine=self.engine,
            resolve=self.sources.resolve,
            paths=self.paths,
            files_of=self._files_of,
            ledger=self.ledger,
            hub=self.hub,
            max_parallel=self.max_parallel,
            reserve_bytes=self.reserve_bytes,
            retries=1,
        )
        self.tokens.on_change(self.service.wake)
        self._listening = asyncio.create_task(self._listen())
        await asyncio.sleep(0)
        await self.service.start()

    async def _close(self) -> None:
        self._listening.cancel()
        await self.service.close()
        await self.engine.close()
        await self.sources.aclose()
        await asyncio.to_thread(self.database.close)

    async def restart(self) -> None:
        """End in order and begin again."""
        await self._close()
        await self._open()

    async def crash(self) -> None:
        """Lose everything that is not durable: the queue gets no chance to store anything; then begin again."""
        await self.crash_with(lambda: None)

    async def crash_with(self, meanwhile: Callable[[], object]) -> None:
        """Crash, and let something happen on the disk before the next life begins."""
        self._listening.cancel()
        abandoned = {task for task in asyncio.all_tasks() if task.get_name().startswith("download")}
        self.service._dispatcher._closing = True
        for task in abandoned:
            task.cancel()
        if abandoned:
            await asyncio.wait(abandoned)
        await self.engine.close()
        await self.sources.aclose()
        await asyncio.to_thread(self.database.close)
        await asyncio.to_thread(meanwhile)
        await self._open()

    def preset(
        self, preset_id: str, host: ModelHost, files: Mapping[str, Content], *faults: Fault, **facts: Any
    ) -> str:
        """Make a preset of checkpoints that *host* serves; returns its id."""
        made = tuple(
            PresetFile(
                directory="checkpoints",
                name=name,
                url=host.put(f"/{name}", content, *faults),
                size_bytes=facts.get("size_bytes", content.size),
                sha256=facts.get("sha256", content.sha256),
            )
            for name, content in files.items()
        )
        self.presets[preset_id] = Wanted(preset_id, preset_id.upper(), made)
        return preset_id

    def path(self, name: str, directory: str = "checkpoints") -> Path:
        """Return where a file belongs."""
        return self.models / directory / name

    def part(self, name: str) -> Path:
        """Return where the unfinished bytes of a checkpoint are."""
        path = self.path(name)
        return path.with_name(f"{path.name}.part")

    async def until(
        self, job_id: str, condition: str | Callable[[DownloadJob], object], timeout: float = DEADLINE_S
    ) -> DownloadJob:
        """Wait until a job is in a state, or until a condition holds for it."""
        holds = (lambda job: job.state == condition) if isinstance(condition, str) else condition

        async def look() -> DownloadJob | None:
            job = await self.service.get_progress(job_id)
            return job if holds(job) else None

        try:
            return await eventually(look, timeout)
        except TimeoutError:
            raise AssertionError(f"it did not come to that: {await self.service.get_progress(job_id)}") from None

    async def told(self, event_type: str, key: str | None = None) -> list[Event]:
        """Return the events of a type so far, once the listener has had its turn."""
        for _ in range(5):
            await asyncio.sleep(0)
        return [event for event in self.events if event.type == event_type and key in (None, event.key)]

    def _files_of(self, preset_id: str) -> Wanted:
        if preset_id not in self.presets:
            raise UnknownPreset(preset_id)
        return self.presets[preset_id]

    async def _listen(self) -> None:
        with self.hub.subscribe(["downloads"]) as subscription:
            while True:
                self.events += [numbered.event for numbered in await subscription.next()]


async def eventually(look: Callable[[], Awaitable[Any]], timeout: float = DEADLINE_S) -> Any:
    """Return the first answer of *look* that is not None or False.

    Raises:
        TimeoutError: There was none in time.
    """
    async with asyncio.timeout(timeout):
        while True:
            found = await look()
            if found is not None and found is not False:
                return found
            await asyncio.sleep(0.01)
