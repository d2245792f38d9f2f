"""What goes on beside the requests for as long as Hearth runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from backend.kit.listening import Address, listening_addresses
from backend.logs import get_logger
from backend.paths import ModelPaths
from backend.system import WorkspaceLock

log = get_logger(__name__)

_LOOK_FOR_MOUNTS_EVERY_S = 60
_LOOK_FOR_SERVER_EVERY_S = 1
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- where to reach who listens everywhere


async def look_for_mounts(paths: ModelPaths) -> None:
    """Notice volumes with models that come and go."""
    while True:
        await asyncio.sleep(_LOOK_FOR_MOUNTS_EVERY_S)
        try:
            if await asyncio.to_thread(paths.refresh):
                log.info("model_folders_changed", roots=[str(root) for root in paths.roots()])
        except OSError as error:
            log.warning("model_folders_unreadable", reason=str(error))


async def tell_address(
    lock: WorkspaceLock, elsewhere: frozenset[Address], token: str, listening: Callable[[], None]
) -> None:
    """Let commands on this machine find the server around this application, as soon as it listens.

    Args:
        elsewhere: Where this process listened before; inside a command it listens nowhere, and nobody is told.
        listening: Called when it listens.
    """
    wait_s = 0.01
    while not (ours := await asyncio.to_thread(listening_addresses) - elsewhere):
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, _LOOK_FOR_SERVER_EVERY_S)
    listening()
    listens_at, port = min(ours)
    host = _LOOPBACK.get(listens_at, listens_at)
    await asyncio.to_thread(lock.announce, f"http://{f'[{host}]' if ':' in host else host}:{port}", token)


async def stop(task: asyncio.Task[None]) -> None:
    """End a duty and wait until it has ended."""
    task.cancel()
    await asyncio.wait([task])
