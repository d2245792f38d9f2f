"""The queue in memory and the history in memory; both are gone when the server ends."""

from __future__ import annotations

import asyncio
import copy
import heapq
from typing import Any

from tests.fakes.comfyui.sockets import Sockets

Item = tuple[float, str, dict[str, Any], dict[str, Any], list[str]]
_SECRETS = ("auth_token_comfy_org", "api_key_comfy_org")


class PromptQueue:
    """A heap of (number, prompt id, graph, ...): equal numbers and ids make it compare graphs, which raises."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._arrived = asyncio.Event()
        self.pending: list[Item] = []
        self.running: dict[int, Item] = {}
        self.history: dict[str, dict[str, Any]] = {}
        self.counter = 0
        self._tasks = 0

    def number(self, body: dict[str, Any]) -> float:
        if "number" in body:
            return float(body["number"])
        number = -self.counter if body.get("front") else self.counter
        self.counter += 1
        return number

    def put(self, item: Item) -> None:
        heapq.heappush(self.pending, item)
        self._updated()
        self._arrived.set()

    async def get(self) -> tuple[int, Item]:
        while not self.pending:
            self._arrived.clear()
            await self._arrived.wait()
        item = heapq.heappop(self.pending)
        self._tasks += 1
        self.running[self._tasks] = copy.deepcopy(item)
        self._updated()
        return self._tasks, item

    def done(self, task: int, result: dict[str, Any], status: dict[str, Any]) -> None:
        item = self.running.pop(task)
        for name in _SECRETS:
            item[3].pop(name, None)
        self.history[item[1]] = {"prompt": list(item), "outputs": {}, "status": status, **result}
        self._updated()

    def clear(self) -> None:
        self.pending = []
        self._updated()

    def delete(self, prompt_id: str) -> None:
        kept = [item for item in self.pending if item[1] != prompt_id]
        if len(kept) < len(self.pending):
            if not kept:
                self.clear()  # the real one says so twice
            self.pending = kept
            heapq.heapify(self.pending)
            self._updated()

    def as_json(self) -> dict[str, Any]:
        return {
            "queue_running": [list(item) for item in self.running.values()],
            "queue_pending": [list(i) for i in self.pending],
        }

    def recent(self, max_items: int | None, offset: int) -> dict[str, Any]:
        ids = list(self.history)
        if offset < 0 and max_items is not None:
            offset = max(0, len(ids) - max_items)
        offset = max(0, offset)
        end = len(ids) if max_items is None else offset + max_items
        return {prompt_id: self.history[prompt_id] for prompt_id in ids[offset:end]}

    @property
    def remaining(self) -> int:
        return len(self.pending) + len(self.running)

    def _updated(self) -> None:
        self._sockets.remaining = self.remaining
        self._sockets.status()
