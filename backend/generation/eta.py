"""How long something like this takes: the mean of past runs, by what decides about their length."""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import suppress

from backend.comfyui import Graph
from backend.database import Database
from backend.generation import store

_WEIGHT_OF_NEWS = 0.3  # the mean follows a change of machine within a few runs
_DECISIVE = frozenset({
    "steps", "width", "height", "batch_size", "length", "frames", "num_frames", "frame_count", "duration", "seconds",
    "ckpt_name", "unet_name", "upscale_model_name",
})  # fmt: skip
_SAVE_AFTER_S = 1.0  # the next job, which often comes at once, need not wait for this in the queue of writes
_TRUST_RATIO = 0.15  # before this, progress says little about the time that is left


class Timings:
    """Remember how long runs took."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[float, int]] = {}
        self._unsaved: set[str] = set()
        self._saving: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def load(self) -> None:
        """Read what earlier runs took."""
        self._known = await self._database.read(store.load_timings)

    def mean_s(self, shape: str) -> float | None:
        """Return the seconds that a run of *shape* takes; None before the first."""
        known = self._known.get(shape)
        return None if known is None else known[0]

    def learn(self, shape: str, seconds: float) -> None:
        """Take in a run; it is stored soon, and lost without harm when nothing is stored any more."""
        mean_s, runs = self._known.get(shape, (seconds, 0))
        mean_s += (seconds - mean_s) * max(_WEIGHT_OF_NEWS, 1 / (runs + 1))
        self._known[shape] = (mean_s, runs + 1)
        self._unsaved.add(shape)
        if self._saving is None or self._saving.done():
            self._saving = asyncio.get_running_loop().create_task(self._save(), name="generation timings")

    async def close(self) -> None:
        """Store what is not stored yet."""
        self._closing.set()
        if self._saving is not None:
            await asyncio.wait([self._saving])

    async def _save(self) -> None:
        while self._unsaved:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SAVE_AFTER_S):
                    await self._closing.wait()
            rows = {shape: self._known[shape] for shape in self._unsaved}
            self._unsaved.clear()
            with suppress(store.StoreFailed):
                await self._database.write(lambda connection, rows=rows: store.save_timings(connection, rows))


def shape_of(graph: Graph) -> str:
    """Return a name that graphs share which take about the same time: same nodes, models, sizes and steps."""
    told = sorted(
        (node.class_type, sorted((name, str(value)) for name, value in node.inputs.items() if name in _DECISIVE))
        for node in graph.nodes.values()
    )
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def left_s(mean_s: float | None, elapsed_s: float, ratio: float | None) -> float | None:
    """Return the seconds that are left of a run, from past runs and, once it tells enough, from its own progress."""
    by_progress = None
    if ratio is not None and ratio >= _TRUST_RATIO:
        by_progress = elapsed_s / ratio * (1 - ratio)
    by_past = None if mean_s is None else max(0.0, mean_s - elapsed_s)
    if by_progress is None or by_past is None:
        return by_past if by_progress is None else by_progress
    assert ratio is not None
    return by_past * (1 - ratio) + by_progress * ratio
