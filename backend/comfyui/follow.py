"""Follow executions of one ComfyUI: messages for what happens, history for what happened, the queue for what is to come.

An execution is over when history says so. Messages are only a reason to look at once; without them (a broken or half-open
connection, a prompt that was sent before a restart) queue and history are looked at regularly. The queue comes first:
what has left it is in the history already, so an execution that is in neither is lost.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from backend.comfyui.client import ComfyUIClient
from backend.comfyui.endings import outcome_of
from backend.comfyui.errors import ComfyUIError, ComfyUIStuck
from backend.comfyui.graph import Graph
from backend.comfyui.messages import (
    Connected,
    Disconnected,
    Executing,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionSuccess,
    FeatureFlags,
    Logs,
    Message,
    Status,
    Unknown,
)
from backend.comfyui.stream import Stream
from backend.comfyui.values import Queue
from backend.comfyui.watch import Watch
from backend.kit.clock import monotonic_s

logger = logging.getLogger(__name__)

_WORKER_DEATH = re.compile(r"Exception in thread [^\n]*\(prompt_worker\)")
_ABOUT_NOBODY = (Connected, Disconnected, FeatureFlags, Logs, Status, Unknown)


@dataclass(frozen=True, slots=True)
class FollowPace:
    """Seconds.

    Args:
        calm_s, eager_s: Between two looks at the queue: while all is heard, and while something waits, stops or is unheard.
        first_look_s: After sending; most prompts have begun by then.
        ready_s: To wait for a connection before sending.
        farewell_s: Between "success" and "over", which follows when history is written.
        settle_s: Pauses between looks at the history of an execution that is said to be over.
        idle_s: Prompts wait and nothing runs: the server's worker is dead.
        worry_s: It runs and gives no sign, though it could be heard: the server's log is asked whether its worker died.
        silence_s: The same, and the log says nothing: a worker that died silently, or a node that never returns.
        deaf_s: The same where it could not be heard.
        unreachable_s: Without an answer to any question.
    """

    calm_s: float = 5.0
    eager_s: float = 1.0
    stopping_s: float = 0.25
    first_look_s: float = 0.1
    ready_s: float = 2.0
    farewell_s: float = 0.02
    settle_s: tuple[float, ...] = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
    idle_s: float = 30.0
    worry_s: float = 15.0
    silence_s: float = 900.0
    deaf_s: float = 3600.0
    unreachable_s: float = 120.0


class Follower:
    """Watch executions; one of these per ComfyUI.

    Args:
        stream: Started and closed by its owner.
    """

    def __init__(self, client: ComfyUIClient, stream: Stream, pace: FollowPace | None = None) -> None:
        self._client = client
        self._stream = stream
        self._pace = pace or FollowPace()
        self._watches: dict[str, Watch] = {}
        self._settling: dict[str, asyncio.Task[None]] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._due_s = math.inf
        self._idle_since_s: float | None = None
        self._unanswered_since_s: float | None = None
        self._stop_listening: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to listen and to look."""
        if self._keeper is None:
            self._stop_listening = self._stream.listen(self._hear)
            self._keeper = asyncio.create_task(self._keep(), name=f"comfyui follower {self._client.name}")

    async def close(self) -> None:
        """Stop listening; watches that are open stay open and hear nothing any more."""
        if self._stop_listening is not None:
            self._stop_listening()
        tasks = [task for task in (self._keeper, *self._settling.values()) if task is not None]
        self._keeper = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def watch(self, prompt_id: str, graph: Graph | None = None) -> Watch:
        """Register for *prompt_id*; use it as a context manager, then ``submit`` or ``attach`` and walk it.

        Args:
            prompt_id: Of nobody else's watch here.
            graph: For titles and the count of nodes.
        """
        if prompt_id in self._watches:
            raise ValueError(f"{prompt_id} is watched already")
        watch = Watch(
            self._client,
            self._stream,
            prompt_id,
            graph,
            ready_s=self._pace.ready_s,
            leave=self._leave,
            hurry=lambda: self._look_in(self._pace.first_look_s),
        )
        self._watches[prompt_id] = watch
        return watch

    def _leave(self, watch: Watch) -> None:
        self._watches.pop(watch.prompt_id, None)

    def _hear(self, message: Message) -> None:
        if isinstance(message, Connected | Disconnected):
            self._look_in(self._pace.first_look_s)
        if isinstance(message, Disconnected):
            for watch in self._watches.values():
                watch.lose_touch(message.reason)
        if isinstance(message, _ABOUT_NOBODY):
            return
        self._idle_since_s = None
        for watch in self._addressees(message):
            watch.hear(message)
            if isinstance(message, Executing) and message.node is None:
                watch.said_over.set()
                self._settle(watch)
            elif isinstance(message, ExecutionSuccess | ExecutionError | ExecutionInterrupted):
                self._settle(watch)

    def _addressees(self, message: Message) -> list[Watch]:
        prompt_id = getattr(message, "prompt_id", None)
        if prompt_id is not None:
            return [self._watches[prompt_id]] if prompt_id in self._watches else []
        # Old previews and texts name no prompt; they belong to the one that runs.
        return [watch for watch in self._watches.values() if watch.is_running and watch.is_audible][:1]

    def _settle(self, watch: Watch) -> None:
        prompt_id = watch.prompt_id
        if prompt_id not in self._settling:
            task = asyncio.create_task(self._settled(watch), name=f"comfyui history {prompt_id}")
            self._settling[prompt_id] = task
            task.add_done_callback(lambda _: self._settling.pop(prompt_id, None))

    async def _settled(self, watch: Watch) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.farewell_s):
                await watch.said_over.wait()
        for pause_s in self._pace.settle_s:
            await asyncio.sleep(pause_s)
            with suppress(ComfyUIError):
                if await self._is_over(watch):
                    return
        self._look_in(0)

    async def _is_over(self, watch: Watch) -> bool:
        record = await self._client.history(watch.prompt_id)
        if record is not None:
            watch.end(outcome_of(record, watch.graph))
        return not watch.is_open

    def _look_in(self, delay_s: float) -> None:
        self._due_s = min(self._due_s, monotonic_s() + delay_s)
        self._changed.set()

    async def _keep(self) -> None:
        while True:
            delay_s = self._due_s - monotonic_s()
            if delay_s > 0:
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if math.isinf(delay_s) else delay_s):
                        await self._changed.wait()
                continue
            self._due_s = math.inf
            try:
                await self._look()
            except ComfyUIError as error:
                self._unanswered(error)
            except Exception:  # the loop must live on whatever a server answers
                logger.exception("looking at the queue of ComfyUI failed")
            if self._posted():
                self._look_in(self._rest_s())

    def _posted(self) -> list[Watch]:
        return [watch for watch in self._watches.values() if watch.is_posted and watch.is_open]

    def _rest_s(self) -> float:
        watches = self._posted()
        if any(watch.is_stopping for watch in watches):
            return self._pace.stopping_s
        is_eager = any(not watch.is_audible or not watch.is_running for watch in watches)
        return self._pace.eager_s if is_eager or self._unanswered_since_s is not None else self._pace.calm_s

    async def _look(self) -> None:
        watches = self._posted()  # before the question: what is sent after it may be missing in the answer
        if not watches:
            return
        queue = await self._client.queue()
        self._unanswered_since_s = None
        is_idle = self._is_idle(queue)
        for watch in watches:
            if not watch.is_open:
                continue
            position = queue.position(watch.prompt_id)
            if position is None:
                if not await self._is_over(watch):
                    watch.vanish()
                continue
            watch.stand_at(position)
            if watch.is_stopping and position == 0:
                # A server that had just begun forgets an interrupt that came a moment too early.
                await self._client.interrupt(watch.prompt_id)
            await self._check_life(watch, position, is_idle=is_idle)

    def _is_idle(self, queue: Queue) -> bool:
        """Tell whether prompts have waited for long while nothing ran."""
        if queue.running or not queue.pending:
            self._idle_since_s = None
            return False
        if self._idle_since_s is None:
            self._idle_since_s = monotonic_s()
        return monotonic_s() - self._idle_since_s >= self._pace.idle_s

    async def _check_life(self, watch: Watch, position: int, *, is_idle: bool) -> None:
        if position > 0:
            if is_idle:
                watch.give_up(ComfyUIStuck("ComfyUI has prompts in its queue and does not run them."))
            return
        silent_s = monotonic_s() - watch.last_sign_s
        limit_s = self._pace.silence_s if watch.is_audible else self._pace.deaf_s
        if silent_s >= limit_s:
            watch.give_up(ComfyUIStuck(f"ComfyUI has given no sign of this execution for {limit_s:.0f} seconds."))
        elif silent_s >= self._pace.worry_s and await self._has_worker_died():
            watch.give_up(ComfyUIStuck("The part of ComfyUI that executes has died, as its log says."))

    async def _has_worker_died(self) -> bool:
        """Tell whether the log of this life of the server holds the death of its worker, which nothing revives.

        Python writes it for every exception that leaves a thread except SystemExit (``threading.excepthook``).
        """
        with suppress(ComfyUIError):  # a server that keeps its log to itself
            logs = await self._client.logs()
            return _WORKER_DEATH.search("".join(line for _, line in logs.entries)) is not None
        return False

    def _unanswered(self, error: ComfyUIError) -> None:
        now_s = monotonic_s()
        if self._unanswered_since_s is None:
            self._unanswered_since_s = now_s
        is_hopeless = now_s - self._unanswered_since_s >= self._pace.unreachable_s
        for watch in self._posted():
            watch.lose_touch(error.code)
            if is_hopeless:
                watch.give_up(error)
