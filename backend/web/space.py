"""The arithmetic before a click: bytes to fetch, and what is left on the disk afterwards."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence

from backend.bootstrap import Services
from backend.errors import HearthError
from backend.presets import Status
from backend.web.contexts import BulkBar

_ON_DISK = frozenset({Status.INSTALLED, Status.INSTALLED_UNVERIFIED})
_MOST_CHOSEN = 500


async def free_bytes(services: Services) -> int | None:
    """Return the free bytes of the volume that downloads go to, or None when it cannot be asked."""
    try:
        usage = await asyncio.to_thread(shutil.disk_usage, services.paths.roots()[0])
    except OSError:
        return None
    return usage.free


def reserve_bytes(services: Services) -> int:
    """Return the bytes that downloads leave free."""
    value = services.preferences.get("disk_reserve")
    return value if isinstance(value, int) else 0


async def plan_for(services: Services, preset_ids: Sequence[str]) -> BulkBar:
    """Add up what installing *preset_ids* would fetch; ids that lead nowhere are left out.

    A file that several of them need, or that the queue fetches already, counts once.
    """
    missing: dict[tuple[str, str], int | None] = {}
    chosen = gated = 0
    for preset_id in list(dict.fromkeys(preset_ids))[:_MOST_CHOSEN]:
        try:
            preset = await services.presets.view(preset_id)
        except HearthError:
            continue
        chosen += 1
        gated += preset.gated
        if preset.download is not None:
            continue
        for file in preset.files:
            if file.status not in _ON_DISK:
                expected = file.size_bytes if file.size_bytes is not None else file.size_estimate_bytes
                missing[file.directory, file.name] = None if expected is None else max(0, expected - file.bytes_present)
    to_fetch = sum(size for size in missing.values() if size is not None)
    free = await free_bytes(services)
    claimed = reserve_bytes(services) + services.downloads.totals().bytes_left + to_fetch
    return BulkBar(
        chosen=chosen,
        bytes_missing=to_fetch,
        unknown_sizes=sum(size is None for size in missing.values()),
        gated=gated,
        free_after=None if free is None else free - claimed,
    )
