"""Which clients listen, and the end of what one of them wanted who left and did not come back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from backend.compat.comfyui.steering import cancel
from backend.generation import GenerationNotFound, GenerationService, Owner
from backend.logs import get_logger

log = get_logger(__name__)

# ComfyUI's page tries again 0.3 s after its socket closed, under the same id; a page that is loaded anew, or a laptop that
# changes its network, needs a few seconds.
GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody under one client id; several sockets may be the same client."""

    owner: Owner
    client_id: str


class Presence:
    """Count the sockets of each client; one of these per application, as a context manager.

    At its end nobody's absence counts any more: jobs outlive Hearth, whatever became of those who wait for them.
    """

    def __init__(self) -> None:
        self._sockets = Counter[Client]()
        self._returns: dict[Client, asyncio.Event] = {}
        self._partings: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Forget who left."""
        for task in self._partings:
            task.cancel()
        if self._partings:
            await asyncio.wait(self._partings)

    def arrive(self, client: Client) -> None:
        """Count a socket; its client has come back, if it was gone."""
        self._sockets[client] += 1
        returned = self._returns.pop(client, None)
        if returned is not None:
            returned.set()

    def leave(self, client: Client, cancelled_at: GenerationService | None, unfinished: Sequence[str]) -> None:
        """Count a socket no more.

        Args:
            cancelled_at: Where the client's unfinished jobs are cancelled when this was its last socket and it has no
                other within 5 s; None when they go on.
            unfinished: Ids of jobs, the client's own among them, that had not ended when the socket closed. What the
                client sends after that is not touched.
        """
        self._sockets[client] -= 1
        if self._sockets[client]:
            return
        del self._sockets[client]
        if cancelled_at is not None:
            returned = self._returns[client] = asyncio.Event()
            task = asyncio.create_task(
                self._part(client, returned, cancelled_at, unfinished), name="comfyui client left"
            )
            self._partings.add(task)
            task.add_done_callback(self._partings.discard)

    async def _part(
        self, client: Client, returned: asyncio.Event, generation: GenerationService, unfinished: Sequence[str]
    ) -> None:
        wanted = [job_id for job_id in unfinished if await _is_of(client, generation, job_id)]
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await returned.wait()
        if returned.is_set():
            return
        del self._returns[client]
        if wanted:
            log.info("client_left", who=client.owner.name, jobs=wanted)
        # The last one first: what waits is out of the queue before what runs makes room for it.
        await asyncio.gather(*(cancel(generation, job_id, client.owner) for job_id in reversed(wanted)))


async def _is_of(client: Client, generation: GenerationService, job_id: str) -> bool:
    with suppress(GenerationNotFound):
        job = await generation.record(job_id, client.owner)
        return job.owner.id == client.owner.id and job.extra_data.get("client_id") == client.client_id
    return False
