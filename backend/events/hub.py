"""Bounded fan-out on one event loop: publishing never waits, and a slow listener harms only itself."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection
from types import TracebackType
from typing import Self

from backend.events.types import Event, Numbered
from backend.kit.clock import monotonic_s

MAX_PENDING = 1024  # lasting events that wait for one listener; more than that is told faster by a fresh snapshot


class Hub:
    """Carry events from whoever publishes to whoever subscribed; every method runs on the loop and returns at once."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._sequence: defaultdict[str, int] = defaultdict(int)
        self._arrival = asyncio.Event()

    def publish(self, event: Event) -> None:
        """Hand *event* to the subscriptions of its topic; without any it costs two look-ups."""
        if event.lasting:
            self._sequence[event.topic] += 1
        subscriptions = self._subscriptions.get(event.topic)
        if subscriptions:
            numbered = Numbered(self._sequence[event.topic], event)
            for subscription in subscriptions:
                subscription.offer(numbered)

    def subscribe(
        self,
        topics: Collection[str],
        *,
        key: str | None = None,
        progress: bool = True,
        progress_interval_s: float = 0.0,
    ) -> Subscription:
        """Prepare to hear events of *topics* from the moment the returned context is entered.

        Args:
            key: Only events about this; None hears all.
            progress: False hears lasting events only, and does not count as somebody for whom numbers are worked out.
            progress_interval_s: Least time between two progress events that :meth:`Subscription.next` returns.
        """
        return Subscription(self, topics, key, progress_interval_s, progress=progress)

    def sequence(self, topic: str) -> int:
        """Return the number of the newest lasting event of *topic*; 0 before the first."""
        return self._sequence[topic]

    def has_listeners(self, topic: str) -> bool:
        """Tell whether anybody hears the progress of *topic*."""
        return any(subscription.progress for subscription in self._subscriptions.get(topic, ()))

    async def listened(self, *topics: str) -> None:
        """Wait until somebody hears one of *topics*; cancelling it leaves nothing behind."""
        while not any(map(self.has_listeners, topics)):
            self._arrival.clear()
            await self._arrival.wait()

    def attach(self, subscription: Subscription, topics: Collection[str]) -> None:
        """Hand events of *topics* to *subscription* from now on."""
        for topic in topics:
            self._subscriptions.setdefault(topic, set()).add(subscription)
        self._arrival.set()

    def detach(self, subscription: Subscription) -> None:
        """Hand nothing more to *subscription*."""
        for topic, subscriptions in list(self._subscriptions.items()):
            subscriptions.discard(subscription)
            if not subscriptions:
                del self._subscriptions[topic]


class Subscription:
    """Collect events for one listener; a context manager around the time in which it listens.

    ``lost`` turns true when more lasting events waited than may: all of them are dropped and nothing more is collected
    until :meth:`resume`, after which the listener must read the present state afresh.
    """

    def __init__(
        self, hub: Hub, topics: Collection[str], key: str | None, progress_interval_s: float, *, progress: bool = True
    ) -> None:
        self.topics = tuple(topics)
        self.progress = progress
        self._hub = hub
        self._key = key
        self._interval_s = progress_interval_s
        self._lasting: list[Numbered] = []
        self._progress: dict[tuple[str, str, str], Numbered] = {}
        self._progress_at_s = 0.0
        self._changed = asyncio.Event()
        self.lost = False

    def __enter__(self) -> Self:
        self._hub.attach(self, self.topics)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hub.detach(self)

    def offer(self, numbered: Numbered) -> None:
        """Keep *numbered* until it is fetched; called by the hub."""
        event = numbered.event
        if self.lost or self._key not in (None, event.key) or not (event.lasting or self.progress):
            return
        if event.lasting:
            self._keep_lasting(numbered)
        else:
            # Replacing in place keeps its turn, so a busy download cannot starve the numbers of a quiet one.
            self._progress[event.topic, event.type, event.key] = numbered
        self._changed.set()

    def _keep_lasting(self, numbered: Numbered) -> None:
        if len(self._lasting) >= MAX_PENDING:
            self._lasting.clear()
            self._progress.clear()
            self.lost = True
            return
        event = numbered.event
        # Progress from before a change of state is old news, and would turn the state back if it were told after it.
        if self._progress:
            self._progress = {
                place: waiting
                for place, waiting in self._progress.items()
                if (waiting.event.topic, waiting.event.key) != (event.topic, event.key)
            }
        self._lasting.append(numbered)

    async def next(self) -> list[Numbered]:
        """Wait for events and return them, lasting ones in order and all of them, then progress that is due.

        An empty list means that events were lost. Cancelling it loses nothing.
        """
        while not (self.lost or self._lasting or self._progress_is_due()):
            self._changed.clear()
            try:
                async with asyncio.timeout(self._wait_s()):
                    await self._changed.wait()
            except TimeoutError:
                pass  # progress is due now
        return [*self._take_lasting(), *self._take_progress()]

    def resume(self) -> None:
        """Collect again after a loss; what is read after this call misses nothing."""
        self.lost = False

    def _progress_is_due(self) -> bool:
        return bool(self._progress) and monotonic_s() >= self._progress_at_s

    def _wait_s(self) -> float | None:
        return max(0.0, self._progress_at_s - monotonic_s()) if self._progress else None

    def _take_lasting(self) -> list[Numbered]:
        taken, self._lasting = self._lasting, []
        return taken

    def _take_progress(self) -> list[Numbered]:
        if not self._progress_is_due():
            return []
        if not self._interval_s:
            taken, self._progress = list(self._progress.values()), {}
            return taken
        self._progress_at_s = monotonic_s() + self._interval_s
        return [self._progress.pop(next(iter(self._progress)))]
