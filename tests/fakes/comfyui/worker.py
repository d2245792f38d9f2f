"""The part that executes: takes one prompt after the other, and can die while HTTP lives on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.fakes.comfyui.catalogue import Catalogue
from tests.fakes.comfyui.execution import Execution
from tests.fakes.comfyui.nodes import Result, WorkerKilled
from tests.fakes.comfyui.queue import PromptQueue
from tests.fakes.comfyui.sockets import Sockets
from tests.fakes.comfyui.traps import Traps


class Worker:
    """Execute for ever, or until something kills it."""

    def __init__(self, base: Path, queue: PromptQueue, sockets: Sockets, catalogue: Catalogue, traps: Traps) -> None:
        self.base = base
        self.sockets = sockets
        self.catalogue = catalogue
        self.traps = traps
        self.remembered: dict[str, Result] = {}  # by the hash of what it was made from
        self.is_interrupted = False
        self.frees: list[dict[str, Any]] = []
        self._queue = queue
        self._gate = asyncio.Event()
        self._gate.set()
        self._over: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        while True:
            try:
                task, item = await self._queue.get()
            except TypeError:
                return  # the heap compared two graphs; what it had popped is lost
            execution = Execution(self, item)
            if self.traps.forgets_early_interrupt:
                await self._gate.wait()
            self.is_interrupted = False
            try:
                await execution.run()
            except WorkerKilled:
                return  # and what ran stays in queue_running for ever
            if self.traps.history_lag_s:
                await asyncio.sleep(self.traps.history_lag_s)
            status = {
                "status_str": "success" if execution.is_success else "error",
                "completed": execution.is_success,
                "messages": execution.messages,
            }
            self.sockets.running = None
            self._queue.done(task, {"outputs": execution.outputs, "meta": execution.meta}, status)
            sid = item[3].get("client_id")
            if sid is not None and not self.traps.silent_endings:
                self.sockets.send("executing", {"node": None, "prompt_id": item[1]}, sid)
            self.sockets.log("Prompt executed in 0.01 seconds\n")
            self.over(item[1]).set()
            await asyncio.sleep(0)

    def over(self, prompt_id: str) -> asyncio.Event:
        """Return what is set when the prompt is over."""
        return self._over.setdefault(prompt_id, asyncio.Event())

    def hold(self) -> None:
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    async def breathe(self) -> None:
        """Let the others do something, and wait while held."""
        await asyncio.sleep(0)
        await self._gate.wait()

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._gate.wait()
