"""The ComfyUIs that jobs run on: whether each answers, what it has, what it holds in memory, and whether it takes work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from backend.comfyui import (
    ComfyUIClient,
    ComfyUIError,
    ComfyUIProcess,
    Follower,
    FollowPace,
    ObjectInfo,
    ProcessState,
    Stream,
    StreamPace,
)
from backend.comfyui.messages import Connected, Disconnected, Message
from backend.generation.capability import Offer
from backend.generation.dispatch import Worker
from backend.kit.clock import monotonic_s
from backend.logs import get_logger

log = get_logger(__name__)


class BackendState(StrEnum):
    """How a ComfyUI does."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    STUCK = "stuck"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class BackendPace:
    """Seconds between two looks at a ComfyUI while it answers and while it does not, and how old its list of nodes may be."""

    well_s: float = 5.0
    ill_s: float = 1.0
    info_s: float = 60.0
    follow: FollowPace = field(default_factory=FollowPace)
    stream: StreamPace = field(default_factory=StreamPace)


@dataclass(frozen=True, slots=True)
class BackendShown:
    """A ComfyUI as it is shown."""

    id: Annotated[str, Field(examples=["127.0.0.1:8188"])]
    url: Annotated[str, Field(description="Without user and password", examples=["http://127.0.0.1:8188"])]
    state: BackendState
    draining: Annotated[bool, Field(description="It ends what it does and takes nothing new")]
    version: Annotated[str | None, Field(examples=["0.3.64"])]
    nodes: Annotated[int | None, Field(description="How many classes of nodes it has")]
    models: Annotated[list[str], Field(description="Models that it holds in memory, learned from what it ran")]
    current: Annotated[str | None, Field(description="Id of the job that it runs")]
    is_child: Annotated[bool, Field(description="Whether Hearth itself runs it")]
    error: Annotated[str | None, Field(description="Why it does not answer")]


class Backend:
    """One ComfyUI, watched for as long as it is open.

    Args:
        url: Where it listens; may hold a user and a password.
        changed: Called on the loop when it can do more or less than before, or is shown otherwise.
        process: The child, when Hearth runs it.
    """

    def __init__(
        self,
        url: str,
        *,
        changed: Callable[[], None],
        pace: BackendPace | None = None,
        process: ComfyUIProcess | None = None,
    ) -> None:
        self._pace = pace or BackendPace()
        self.id = _name(url)
        self.client = ComfyUIClient(url)
        self.stream = Stream(url, pace=self._pace.stream)
        self.follower = Follower(self.client, self.stream, self._pace.follow)
        self.process = process
        self.info: ObjectInfo | None = None
        self.current: str | None = None
        self.is_draining = False
        self.is_stuck = False
        self.warm: frozenset[str] = frozenset()
        self.down_since_s: float | None = monotonic_s()
        self._version: str | None = None
        self._offer: Offer | None = None
        self._reason: str | None = None
        self._changed = changed
        self._look_now = asyncio.Event()
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] | None = None

    @property
    def is_up(self) -> bool:
        """Whether it answered the last time it was asked."""
        return self.down_since_s is None

    @property
    def state(self) -> BackendState:
        """How it does."""
        if self.is_up:
            return BackendState.STUCK if self.is_stuck else BackendState.BUSY if self.current else BackendState.READY
        return BackendState.STARTING if self._is_starting else BackendState.UNREACHABLE

    @property
    def _is_starting(self) -> bool:
        return self.process is not None and self.process.state in (ProcessState.STARTING, ProcessState.WAITING)

    def worker(self) -> Worker:
        """Show it to the policy."""
        offer = self._offer
        takes_work = self.is_up and not self.is_draining and not self.is_stuck
        if offer is None:
            return Worker(self.id, takes_work)
        return Worker(self.id, takes_work, offer.classes, offer.choices, self.warm)

    def shown(self) -> BackendShown:
        """Show it to people."""
        return BackendShown(
            id=self.id,
            url=self.client.name,
            state=self.state,
            draining=self.is_draining,
            version=self._version,
            nodes=None if self.info is None else len(self.info.classes),
            models=sorted(self.warm),
            current=self.current,
            is_child=self.process is not None,
            error=None if self._is_starting else self._reason,
        )

    async def start(self) -> None:
        """Watch it from now on; a child is started."""
        if self.process is not None:
            try:
                await self.process.start()
            except (ComfyUIError, OSError) as error:
                self._reason = str(error)
                log.warning("comfyui_not_started", reason=self._reason)
        self._stop_listening = self.stream.listen(self._hear)
        self.stream.start()
        self.follower.start()
        self._task = asyncio.create_task(self._watch(), name=f"backend {self.id}")

    async def close(self) -> None:
        """Stop watching; a child is stopped."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._stop_listening is not None:
            self._stop_listening()
        await self.follower.close()
        await self.stream.close()
        await self.client.aclose()
        if self.process is not None:
            await self.process.stop()

    async def refresh(self) -> ObjectInfo | None:
        """Ask again what it has; what was known before stays when it does not answer."""
        with suppress(ComfyUIError):
            await self._learn(max_age_s=0)
        return self.info

    def look(self) -> None:
        """Ask soon how it does: something went wrong with it."""
        self._look_now.set()

    def ran(self, models: Sequence[str]) -> None:
        """Take in that it has just run something with *models*."""
        if models:
            self.warm = frozenset(models)

    async def free(self) -> None:
        """Have it give its memory back.

        Raises:
            ComfyUIError: It does not answer.
        """
        self.warm = frozenset()
        await self.client.free()

    async def revive(self) -> None:
        """Take in that it answers but executes nothing; a child is started again."""
        self.is_stuck = True
        self.warm = frozenset()
        self._changed()
        if self.process is not None:
            log.warning("comfyui_restarted_because_stuck", backend=self.id)
            with suppress(ComfyUIError, OSError):
                await self.process.restart()

    async def drop(self, prompt_id: str) -> None:
        """Have it forget a prompt that nobody wants any more, if it can be reached."""
        with suppress(ComfyUIError):
            await self.client.delete_pending([prompt_id])
            await self.client.interrupt(prompt_id)

    def _hear(self, message: Message) -> None:
        if isinstance(message, Disconnected):
            # It may have been restarted: what it held in memory is not known any more.
            self.warm = frozenset()
            self.look()
        elif isinstance(message, Connected):
            self.is_stuck = False
            self.look()

    async def _watch(self) -> None:
        while True:
            self._look_now.clear()
            try:
                await self._ask()
            except Exception as error:  # noqa: BLE001 -- whatever a server answers, the watch goes on
                log.warning("backend_look_failed", backend=self.id, reason=f"{type(error).__name__}: {error}")
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.well_s if self.is_up else self._pace.ill_s):
                    await self._look_now.wait()

    async def _ask(self) -> None:
        try:
            if not self.is_up:
                self._version = (await self.client.system_stats()).version
                await self._learn(max_age_s=0)
            else:
                remaining = await self.client.queue_remaining()
                if self.is_stuck and not remaining:
                    self.is_stuck = False  # something works it off after all
                    self._changed()
                await self._learn(max_age_s=self._pace.info_s)
        except ComfyUIError as error:
            self._down(error)
            return
        if not self.is_up:
            self.down_since_s, self._reason = None, None
            self.client.jobs.forget()
            log.info("backend_up", backend=self.id, version=self._version)
            self._changed()

    async def _learn(self, *, max_age_s: float) -> None:
        async with self._looking:
            info = await self.client.nodes.info(max_age_s=max_age_s)
            if info is not self.info:
                self._offer = await asyncio.to_thread(Offer.of, info)
                self.info = info
                self._changed()

    def _down(self, error: ComfyUIError) -> None:
        reason = error.message
        if self.process is not None and self.process.error is not None:
            reason = self.process.error.message
        if self.is_up or self._reason != reason:
            self._reason = reason
            if self.is_up:
                self.down_since_s = monotonic_s()
                log.warning("backend_down", backend=self.id, reason=reason)
            self._changed()


def _name(url: str) -> str:
    """Return the part of *url* that tells backends apart and stays the same over restarts."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
