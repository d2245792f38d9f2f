"""The only door between the queue and those who run its jobs; the same on one machine and on two hundred.

Above it the store is the truth: a task that an engine loses is put again from there, and one that it delivers twice is
recognised by its record. So an engine needs no durability of its own. Verbs:

===========  ============================================================================================================
put          Make a task available. Putting the same id again replaces what is known of it; a lease on it stays.
withdraw     Nobody shall get it any more. A lease on it is not ended: its holder is told with ``emit``.
pull         Wait for the task that suits a worker best, and hold it. Cancelled while it waits: nothing is held.
extend       Of a lease: say that it is still being worked on. A lease that is not extended in time is delivered again.
ack          Of a lease: done, forget the task.
nak          Of a lease: not done; deliver it again, after a delay if wanted.
term         Of a lease: it can never be done; forget the task.
nudge, leave A worker can do other things than before; it has gone.
positions    The order in which what waits would be served.
emit, on     Signals that may be lost: progress and previews upwards, cancel downwards.
record       A lasting report of a worker; returns once the follower has taken it in.
follow       Take in reports, one at a time and in order; one that raises goes back to its recorder.
===========  ============================================================================================================

``tests/generation/dispatch/contract.py`` holds every engine to this.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from backend.generation.dispatch.policy import Task, Worker

Signal: TypeAlias = Any  # Any: whatever the two ends agree on; an engine only carries it
Hearer: TypeAlias = Callable[[Signal], None]


class LeaseLost(Exception):
    """The lease ran out, and somebody else holds the task or has finished it: stop working on it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker found out about a task and must not be lost.

    Args:
        kind: A word that recorder and follower agree on.
        facts: Values for that kind.
    """

    task_id: str
    kind: str
    facts: Mapping[str, Any]


class Lease(Protocol):
    """A task that this worker holds; every method but ``extend`` ends the lease."""

    @property
    def task(self) -> Task:
        """What is to be done, as it was put last."""
        ...

    @property
    def deliveries(self) -> int:
        """How often the task has been delivered, this time included."""
        ...

    async def extend(self) -> None:
        """Hold the task for another term.

        Raises:
            LeaseLost: Somebody else has it by now.
        """
        ...

    async def ack(self) -> None:
        """Say that it is done."""
        ...

    async def nak(self, delay_s: float = 0.0) -> None:
        """Give it back, to be delivered again not before *delay_s*."""
        ...

    async def term(self) -> None:
        """Say that nobody can do it."""
        ...


class Dispatch(Protocol):
    """An engine; see the module."""

    async def put(self, task: Task) -> None:
        """Make *task* available."""
        ...

    async def withdraw(self, task_id: str) -> bool:
        """Take a task back; true when nobody holds it."""
        ...

    async def pull(self, worker: Callable[[], Worker]) -> Lease:
        """Wait for a task that suits; *worker* is asked again whenever something has changed."""
        ...

    async def nudge(self) -> None:
        """Say that a worker can do other things than before."""
        ...

    def leave(self, worker_id: str) -> None:
        """Leave nothing to a worker that has gone."""
        ...

    def positions(self) -> Mapping[str, int]:
        """Return the place of each waiting task, from 0."""
        ...

    def emit(self, channel: str, signal: Signal) -> None:
        """Send a signal to whoever listens now."""
        ...

    def on(self, channel: str, hearer: Hearer) -> AbstractContextManager[None]:
        """Hear the signals of *channel* while the context lasts; *hearer* must not block."""
        ...

    async def record(self, report: Report) -> None:
        """Hand over *report* and wait until it was taken in; raises what the follower raised."""
        ...

    async def follow(self, take_in: Callable[[Report], Awaitable[None]]) -> None:
        """Take in reports until cancelled."""
        ...
