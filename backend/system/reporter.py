"""Tell the load of the machine once a second, as long as somebody listens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from backend.errors import JSON
from backend.events import Event, Hub
from backend.events.types import STORAGE, STORAGE_CHANGED, SYSTEM, SYSTEM_SAMPLE
from backend.logs import get_logger

log = get_logger(__name__)

_EVERY_S = 1.0

Measure = Callable[[], Awaitable[dict[str, JSON]]]


async def report_host(hub: Hub, measure: Measure, *, every_s: float = _EVERY_S) -> None:
    """Publish samples, and disks that changed, for ever; without listeners it only waits.

    Args:
        measure: Looks at the machine off the event loop and returns ``HostSample.as_dict()``.
    Cancelled: nothing is left behind.
    """
    disks: JSON = None
    while True:
        await hub.listened(SYSTEM, STORAGE)
        try:
            sample = await measure()
        except OSError as error:
            log.warning("host_not_measured", reason=str(error))
        else:
            hub.publish(Event(SYSTEM, SYSTEM_SAMPLE, "", sample, lasting=False))
            if sample["disks"] != disks:
                disks = sample["disks"]
                hub.publish(Event(STORAGE, STORAGE_CHANGED, "", {"items": disks}, lasting=False))
        await asyncio.sleep(every_s)
