"""One execution, watched from before it is sent until it is over."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Self

from backend.comfyui.client import ComfyUIClient, Place
from backend.comfyui.endings import Ending, Outcome
from backend.comfyui.errors import ComfyUIError, ComfyUISilent, ComfyUIUnreachable, Interrupted, Lost
from backend.comfyui.graph import Graph
from backend.comfyui.messages import Message
from backend.comfyui.progress import Ended, NodeSaid, PreviewImage, Progress, Snapshot, Step, Tracker, Unheard
from backend.comfyui.stream import Stream
from backend.comfyui.values import Submitted
from backend.errors import JSON
from backend.kit.clock import monotonic_s

_MAX_UNREAD = 256


class Watch:
    """Walk it for progress; it ends after :class:`~backend.comfyui.progress.Ended`.

    Walking raises a ComfyUIError when it cannot be found out what became of the execution: ComfyUIUnreachable,
    ComfyUISilent, ComfyUIRefused or ComfyUIStuck. The execution may then still be going on. Made by
    :meth:`~backend.comfyui.follow.Follower.watch`, which registers it, so that no frame is missed.
    """

    def __init__(
        self, client: ComfyUIClient, stream: Stream, prompt_id: str, graph: Graph | None, *, ready_s: float,
        leave: Callable[[Watch], None], hurry: Callable[[], None],
    ) -> None:  # fmt: skip
        self.prompt_id = prompt_id
        self.graph = graph
        self.is_posted = False
        self.is_stopping = False
        self.said_over = asyncio.Event()
        self.last_sign_s = monotonic_s()
        self._client = client
        self._stream = stream
        self._ready_s = ready_s
        self._leave = leave
        self._hurry = hurry
        self._posted_as: str | None = None
        self._tracker = Tracker(prompt_id, graph)
        self._unread: deque[Progress] = deque()
        self._news = asyncio.Event()
        self._error: ComfyUIError | None = None
        self._outcome: Outcome | None = None
        self._is_unheard = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._leave(self)

    async def submit(
        self,
        graph: Graph,
        *,
        extra_data: Mapping[str, JSON] | None = None,
        front: bool = False,
        targets: Sequence[str] | None = None,
    ) -> Submitted:
        """Send *graph* under this watch's prompt id, once.

        An answer that got lost on the way is looked for in the queue and the history, so that the graph is not sent twice.

        Raises:
            InvalidInput, MissingNode, MissingModel: ComfyUI does not accept it.
            ComfyUIUnreachable, ComfyUISilent: It did not arrive, as far as can be told.
        """
        self._posted_as = await self._audience()
        try:
            submitted = await self._client.submit(
                graph,
                prompt_id=self.prompt_id,
                client_id=self._posted_as,
                extra_data=extra_data,
                front=front,
                targets=targets,
            )
        except (ComfyUIUnreachable, ComfyUISilent):
            if (await self._client.whereabouts(self.prompt_id)).place is Place.UNKNOWN:
                raise
            submitted = Submitted(self.prompt_id, 0.0)
        self.attach()
        return submitted

    def attach(self) -> None:
        """Take it that the prompt was sent already, by somebody else or before a restart of our own."""
        self.is_posted = True
        self.last_sign_s = monotonic_s()
        self._hurry()

    async def cancel(self) -> None:
        """Ask ComfyUI to drop the execution; the walk then ends with what became of it, which may be success.

        A node that does not look whether it should stop runs to its end.
        """
        self.is_stopping = True
        await self._client.delete_pending([self.prompt_id])
        await self._client.interrupt(self.prompt_id)
        self._hurry()

    async def __aiter__(self) -> AsyncIterator[Progress]:
        while True:
            while self._unread:
                progress = self._unread.popleft()
                yield progress
                if isinstance(progress, Ended):
                    return
            if self._error is not None:
                raise self._error
            self._news.clear()
            if not self._unread:
                await self._news.wait()

    async def outcome(self) -> Outcome:
        """Wait until it is over.

        Raises:
            ComfyUIError: It cannot be found out.
        """
        async for progress in self:
            if isinstance(progress, Ended):
                return progress.outcome
        assert self._outcome is not None  # the walk was finished by somebody else
        return self._outcome

    @property
    def snapshot(self) -> Snapshot:
        """Where it stands."""
        return self._tracker.snapshot

    @property
    def is_open(self) -> bool:
        """Whether it is not known yet how it ends."""
        return self._outcome is None and self._error is None

    @property
    def is_audible(self) -> bool:
        """Whether the connection that stands now is the one that hears of this execution."""
        return self._posted_as is not None and self._posted_as == self._stream.client_id

    @property
    def is_running(self) -> bool:
        """Whether it was seen to run."""
        return self._tracker.is_started

    def hear(self, message: Message) -> None:
        """Take in a message; called by the follower."""
        self.last_sign_s = monotonic_s()
        self._is_unheard = False
        self._offer(self._tracker.see(message))

    def stand_at(self, position: int) -> None:
        """Take in a place in the queue; called by the follower."""
        self._is_unheard = False
        news = self._tracker.queue_position(position)
        if news:
            self.last_sign_s = monotonic_s()
        self._offer(news)

    def lose_touch(self, reason: str) -> None:
        """Take in that nothing can be heard; called by the follower."""
        if not self._is_unheard:
            self._is_unheard = True
            self._offer([Unheard(reason)])

    def end(self, outcome: Outcome) -> None:
        """Take in how it ended; called by the follower."""
        if self.is_open:
            self._outcome = outcome
            self._leave(self)
            self._offer([Ended(outcome)])

    def vanish(self) -> None:
        """Take in that the server knows nothing of it, neither in its queue nor in its history; called by the follower."""
        if self.is_stopping:
            stopped = Interrupted("It was taken out of the queue before it began.")
            self.end(Outcome(self.prompt_id, Ending.INTERRUPTED, error=stopped))
        else:
            lost = Lost("ComfyUI does not know the execution any more.", details={"prompt_id": self.prompt_id})
            self.end(Outcome(self.prompt_id, Ending.LOST, error=lost))

    def give_up(self, error: ComfyUIError) -> None:
        """Take in that it cannot be found out; called by the follower."""
        if self.is_open:
            self._error = error
            self._leave(self)
            self._news.set()

    async def _audience(self) -> str:
        try:
            return await self._stream.ready(self._ready_s)
        except ComfyUIUnreachable:
            # Without any id the server would tell every client about it; under this one nobody listens.
            return uuid.uuid4().hex

    def _offer(self, news: Sequence[Progress]) -> None:
        for progress in news:
            self._unread.append(progress)
        if len(self._unread) > _MAX_UNREAD:
            self._thin_out()
        if news:
            self._news.set()

    def _thin_out(self) -> None:
        """Drop the older half of what a slow reader can do without; what lasts is bounded by the number of nodes."""
        half = len(self._unread) // 2
        older = [self._unread.popleft() for _ in range(half)]
        self._unread.extendleft(reversed([each for each in older if not _is_passing(each)]))


def _is_passing(progress: Progress) -> bool:
    # Nodes that deliver over the socket send PNG: these are results. Previews are JPEG.
    is_preview = isinstance(progress, PreviewImage) and progress.mime == "image/jpeg"
    return is_preview or isinstance(progress, (Step, NodeSaid))
