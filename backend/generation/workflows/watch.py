"""Tell which workflows changed: through Hearth, or on disk by hand, by ComfyUI's editor or from another machine."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from backend.events import Event, Hub
from backend.events.types import WORKFLOW_CHANGED, WORKFLOW_REMOVED, WORKFLOWS
from backend.generation.workflows.library import Shelf, WorkflowLibrary

# A look lists the folder and opens nothing. Network volumes tell nobody of changes, so there is nothing else to wait for.
LOOK_EVERY_S = 3.0


class WorkflowWatch:
    """Compare the user's own workflows with how they were; while nobody listens, nobody looks.

    Args:
        look_every_s: How long a change on disk may stay untold, seconds; one that Hearth made is told at once.
    """

    def __init__(self, library: WorkflowLibrary, hub: Hub, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._library = library
        self._hub = hub
        self._look_every_s = look_every_s
        self._known: dict[str, str] | None = None  # until the first look

    async def run(self) -> None:
        """Look and tell until cancelled."""
        touched = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._library.on_change(lambda: _tell(loop, touched))
        self._known = await asyncio.to_thread(self._library.outline)
        while True:
            await self._hub.listened(WORKFLOWS)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_every_s):
                    await touched.wait()
            touched.clear()
            await self._look()

    async def _look(self) -> None:
        before, now = self._known or {}, await asyncio.to_thread(self._library.outline)
        if now == before:
            return
        entries = await asyncio.to_thread(self._library.entries, Shelf.MINE)
        self._known = now
        # All at once, so that a new name is heard together with the end of the old one.
        for gone in sorted(before.keys() - now.keys()):
            self._hub.publish(Event(WORKFLOWS, WORKFLOW_REMOVED, gone, {"id": gone}))
        for entry in entries:
            if entry.id in now and now[entry.id] != before.get(entry.id):
                self._hub.publish(Event(WORKFLOWS, WORKFLOW_CHANGED, entry.id, entry.as_dict()))


def _tell(loop: asyncio.AbstractEventLoop, touched: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop has ended: so has everybody who listens
        loop.call_soon_threadsafe(touched.set)
