"""The engine inside this process: tasks in memory, one loop, nothing to install. What is durable is the store above it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace

from backend.generation.dispatch import policy
from backend.generation.dispatch.policy import Shares, Task, Worker
from backend.generation.dispatch.port import Hearer, LeaseLost, Report, Signal
from backend.kit.clock import monotonic_s

LEASE_S = 60.0  # a worker extends three times in this; only one that hangs loses its task


class EmbeddedDispatch:
    """Hand tasks to the runners of this process.

    Args:
        lease_s: How long a task is held without being extended.
    """

    def __init__(self, *, lease_s: float = LEASE_S) -> None:
        self._lease_s = lease_s
        self._tasks: dict[str, Task] = {}
        self._held: dict[str, EmbeddedLease] = {}
        self._deliveries: defaultdict[str, int] = defaultdict(int)
        self._not_before_s: dict[str, float] = {}
        self._workers: dict[str, Callable[[], Worker]] = {}
        self._shares = Shares()
        self._changed = asyncio.Condition()
        self._hearers: defaultdict[str, list[Hearer]] = defaultdict(list)
        self._reports: asyncio.Queue[tuple[Report, asyncio.Future[None]]] = asyncio.Queue()

    async def put(self, task: Task) -> None:
        """Make *task* available, or exchange what is known of it."""
        self._tasks[task.id] = task
        await self.nudge()

    async def withdraw(self, task_id: str) -> bool:
        """Take a task back; true when nobody holds it."""
        self._forget(task_id)
        if task_id in self._held:
            self._held[task_id].is_withdrawn = True
        return task_id not in self._held

    async def pull(self, worker: Callable[[], Worker]) -> EmbeddedLease:
        """Wait for a task that suits *worker*, and hold it."""
        name = worker().id
        self._workers[name] = worker
        async with self._changed:
            while True:
                lease = self._take(worker())
                if lease is not None:
                    return lease
                try:
                    async with asyncio.timeout(self._wait_s()):
                        await self._changed.wait()
                except TimeoutError:
                    pass  # a delay or a lease has run out

    async def nudge(self) -> None:
        """Let every waiting worker look again."""
        async with self._changed:
            self._changed.notify_all()

    def leave(self, worker_id: str) -> None:
        """Leave nothing to a worker that has gone."""
        self._workers.pop(worker_id, None)

    def positions(self) -> dict[str, int]:
        """Return the place of each waiting task, from 0."""
        ordered = policy.in_order(list(self._waiting(monotonic_s())), self._shares)
        return {task.id: place for place, task in enumerate(ordered)}

    def emit(self, channel: str, signal: Signal) -> None:
        """Send a signal to whoever listens now."""
        for hearer in [*self._hearers.get(channel, ())]:
            hearer(signal)

    @contextmanager
    def on(self, channel: str, hearer: Hearer) -> Generator[None]:
        """Hear the signals of *channel* while the context lasts."""
        self._hearers[channel].append(hearer)
        try:
            yield
        finally:
            self._hearers[channel].remove(hearer)
            if not self._hearers[channel]:
                del self._hearers[channel]

    async def record(self, report: Report) -> None:
        """Hand over *report* and wait until it was taken in.

        Cancelled: it is taken in nevertheless.
        """
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._reports.put((report, taken))
        await asyncio.shield(taken)

    async def follow(self, take_in: Callable[[Report], Awaitable[None]]) -> None:
        """Take in reports until cancelled."""
        while True:
            report, taken = await self._reports.get()
            try:
                await take_in(report)
            except asyncio.CancelledError:
                taken.cancel()
                raise
            except Exception as error:  # noqa: BLE001 -- whatever it is, the recorder must know, and others go on
                taken.set_exception(error)
                taken.exception()  # a recorder that was cancelled meanwhile does not look
            else:
                taken.set_result(None)

    # For leases

    def is_held_by(self, lease: EmbeddedLease) -> bool:
        """Tell whether *lease* is the one in force."""
        return self._held.get(lease.task.id) is lease

    def term_s(self) -> float:
        """Return when a lease that begins now ends, in monotonic seconds."""
        return monotonic_s() + self._lease_s

    async def release(self, lease: EmbeddedLease, *, done: bool, delay_s: float = 0.0) -> None:
        """End *lease*; nothing happens when it is not in force any more."""
        if not self.is_held_by(lease):
            return
        del self._held[lease.task.id]
        # After a withdrawal, what is there was put anew and has nothing to do with this lease.
        if done and not lease.is_withdrawn:
            self._forget(lease.task.id)
        elif not done and lease.task.id in self._tasks:
            now_s = monotonic_s()
            self._not_before_s[lease.task.id] = now_s + delay_s
            self._tasks[lease.task.id] = replace(self._tasks[lease.task.id], waiting_since_s=now_s)
        await self.nudge()

    def _forget(self, task_id: str) -> None:
        self._tasks.pop(task_id, None)
        self._not_before_s.pop(task_id, None)
        self._deliveries.pop(task_id, None)

    def _take(self, worker: Worker) -> EmbeddedLease | None:
        now_s = monotonic_s()
        waiting = list(self._waiting(now_s))
        others = [other() for name, other in self._workers.items() if name != worker.id]
        task = policy.choose(waiting, worker, others, self._shares, now_s)
        if task is None:
            return None
        self._shares = self._shares.charged(task, (other for other in waiting if other is not task), now_s)
        self._deliveries[task.id] += 1
        lease = EmbeddedLease(self, task, self._deliveries[task.id])
        self._held[task.id] = lease
        return lease

    def _waiting(self, now_s: float) -> Iterator[Task]:
        for task_id, lease in list(self._held.items()):
            if lease.ends_s <= now_s:
                del self._held[task_id]
        for task in self._tasks.values():
            if task.id not in self._held and self._not_before_s.get(task.id, 0.0) <= now_s:
                yield task

    def _wait_s(self) -> float | None:
        """Return how long nothing can change by itself."""
        now_s = monotonic_s()
        ends = [lease.ends_s - now_s for lease in self._held.values()]
        delays = [at_s - now_s for at_s in self._not_before_s.values() if at_s > now_s]
        cold_s = policy.next_look_s((task for task in self._tasks.values() if task.id not in self._held), now_s)
        times = [*ends, *delays, *([] if cold_s is None else [cold_s])]
        return max(0.005, min(times)) if times else None


class EmbeddedLease:
    """A task that one runner holds."""

    def __init__(self, dispatch: EmbeddedDispatch, task: Task, deliveries: int) -> None:
        self._dispatch = dispatch
        self.task = task
        self.deliveries = deliveries
        self.ends_s = dispatch.term_s()
        self.is_withdrawn = False

    async def extend(self) -> None:
        """Hold the task for another term.

        Raises:
            LeaseLost: Somebody else has it by now.
        """
        if not self._dispatch.is_held_by(self):
            raise LeaseLost(self.task.id)
        self.ends_s = self._dispatch.term_s()

    async def ack(self) -> None:
        """Say that it is done."""
        await self._dispatch.release(self, done=True)

    async def nak(self, delay_s: float = 0.0) -> None:
        """Give it back."""
        await self._dispatch.release(self, done=False, delay_s=delay_s)

    async def term(self) -> None:
        """Say that nobody can do it."""
        await self._dispatch.release(self, done=True)
