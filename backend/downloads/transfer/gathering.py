"""Fill one part from one source: hand out pieces, keep connections busy, wait out setbacks."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from backend.downloads.errors import ConnectionLost, SizeMismatch
from backend.downloads.transfer.facts import SourceFacts
from backend.downloads.transfer.part import Part
from backend.downloads.transfer.pieces import UNKNOWN, Piece, Pieces
from backend.downloads.transfer.proof import prove
from backend.downloads.transfer.request import Answer, Request
from backend.downloads.transfer.retry import Patience, Setback, StartOver
from backend.downloads.transfer.route import Route
from backend.downloads.transfer.shared import Shared
from backend.downloads.transfer.terms import Meter, Phase
from backend.downloads.transfer.throttle import Bucket
from backend.downloads.transfer.tuner import Sample, Tuner
from backend.downloads.transfer.verdict import refusal, transport_failure
from backend.kit.clock import monotonic_s

_TURN_S = 0.25


class Gathering:
    """Bring what is missing.

    Args:
        plain: The host's ranges are no good: ask for the whole file.
    """

    def __init__(
        self,
        shared: Shared,
        route: Route,
        facts: SourceFacts,
        part: Part,
        meter: Meter,
        patience: Patience,
        *,
        plain: bool,
    ) -> None:
        self.part = part
        self.meter = meter
        self.bucket = Bucket()
        self._shared = shared
        self._route = route
        self._facts = facts
        self._patience = patience
        self._plain = plain
        self._one_stream = plain
        self._first: Piece | None = None
        self._answered = False
        self._loop = asyncio.get_running_loop()
        self._hot = asyncio.Event()
        self._failure: Exception | None = None
        self._pause_until = 0.0
        self._round_trip_s = 0.0
        self._seen_bytes = meter.bytes_done
        self._tasks: dict[asyncio.Task[None], Piece] = {}
        self._host = route.host
        size = facts.size_bytes
        self._pieces = Pieces(size, part.gaps(size) if size is not None else [])
        remembered = shared.hosts.paid(self._host)
        self._tuner = Tuner(shared.connections_per_file, remembered)

    def fail(self, error: Exception) -> None:
        """End the gathering with *error*; from any thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(self._note_failure, error)

    async def run(self) -> None:
        """Return when every byte has been put into the part.

        Raises:
            StartOver: What is on the disk is not a part of the file any more.
            HearthError: It cannot be had.
        Cancelled: every socket is closed before the cancellation goes on.
        """
        self._shared.hosts.join(self._host)
        try:
            if self._facts.size_bytes is not None:
                self.part.expect(self._facts.size_bytes)
            while not self._pieces.done:
                self._hot.clear()
                if self._failure is not None:
                    raise self._failure
                self._measure()
                self._launch()
                await self._rest()
                await self._reap()
            if self._parallel:
                self._shared.hosts.remember(self._host, self._tuner.proven)
        finally:
            await self._stop_all()
            self._shared.hosts.leave(self._host)

    def accept(self, answer: Answer, piece: Piece) -> None:
        """Compare the head of an answer with what is known, and fit the piece to it; on the pump's thread."""
        whole = self._facts.take(answer.status, answer.headers, piece.start)
        first = self._facts.size_bytes is not None and self._pieces.size_bytes is None
        if whole or first:
            piece.fit(self._facts.size_bytes, whole=whole)
        if first and self._facts.size_bytes is not None and not self._answered:
            self.part.expect(self._facts.size_bytes)
        self._answered = True
        self._loop.call_soon_threadsafe(self._accepted, answer, piece, whole)

    def _accepted(self, answer: Answer, piece: Piece, whole: bool) -> None:
        self._route.arrived(answer.url)
        self._round_trip_s = max(self._round_trip_s, answer.round_trip_s)
        self._move_to(self._route.host)
        self.meter.phase = Phase.DOWNLOADING
        self.meter.last_error = None
        self.meter.bytes_total = size = self._facts.size_bytes
        if size is not None:
            self._pieces.learn_size(size, piece, whole=whole)
        self._one_stream = self._one_stream or whole
        self._hot.set()

    def _move_to(self, host: str) -> None:
        if host != self._host:
            self._shared.hosts.leave(self._host)
            self._shared.hosts.join(host)
            self._host = host
            self._tuner.target = max(self._tuner.target, self._shared.hosts.paid(host))

    def _note_failure(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._hot.set()

    def _measure(self) -> None:
        now, meter = monotonic_s(), self.meter
        meter.connections = len(self._tasks)
        if meter.bytes_done != self._seen_bytes:
            self._seen_bytes, meter.last_byte_at = meter.bytes_done, now
        size = self._facts.size_bytes
        if size is None or not self._parallel or now < self._pause_until:
            return
        sample = Sample(now, meter.bytes_done, self._shared.pump.waited_s, size - meter.bytes_done)
        self._tuner.take(sample, share=self._shared.hosts.share(self._host), round_trip_s=self._round_trip_s)
        self._pieces.keep(self._tuner.target)
        self.part.waits_for_hash = self._tuner.target == 1

    @property
    def _parallel(self) -> bool:
        return self._answered and not self._one_stream and self._facts.is_provable

    def _launch(self) -> None:
        if monotonic_s() < self._pause_until:
            return
        allowed = self._tuner.target if self._parallel else 1
        while len(self._tasks) < allowed:
            piece = self._next_piece(allowed)
            if piece is None:
                return
            task = self._loop.create_task(self._fetch(piece))
            task.add_done_callback(lambda _: self._hot.set())
            self._tasks[task] = piece

    def _next_piece(self, connections: int) -> Piece | None:
        if self._pieces.size_bytes is None or not self._answered:
            return None if self._tasks else self._pieces.take_first(whole=self._plain or not self._may_split)
        if self._parallel:
            return self._pieces.take(speed_bytes_s=self._tuner.speed_bytes_s, connections=connections)
        return self._pieces.take_gap()

    @property
    def _may_split(self) -> bool:
        """Whether the first piece may be short: not when a file that nothing vouches for is taken up again."""
        return self._facts.size_bytes is None or self._facts.is_provable

    async def _fetch(self, piece: Piece) -> None:
        """Bring one piece, or raise what its answer means."""
        if piece.start > 0 and not self._facts.is_provable:
            await prove(self._shared, self._route, self._facts, self.part, piece.start)

        def make(url: str, secrets: list[str]) -> Request:
            lines = list(secrets)
            if piece.start > 0 and self._facts.validator is not None:
                lines.append(f"If-Range: {self._facts.validator}")
            return Request(
                url,
                lines,
                cafile=self._shared.cafile,
                byte_range=None if self._plain else (piece.start, piece.asked_stop),
                piece=piece,
                intake=self,
            )

        answer = await self._route.ask(make)
        self._judge(answer, piece)

    def _judge(self, answer: Answer, piece: Piece) -> None:
        if answer.refusal is not None:
            raise answer.refusal
        if not answer.accepted:
            if answer.status == 0 or (answer.code and answer.status in (200, 206)):
                raise transport_failure(answer)
            far = self._route.is_far(answer.url)
            error = refusal(answer, self._shared.explain, far=far, size_bytes=self._facts.size_bytes)
            if isinstance(error, Setback) and error.relink:
                self._route.forget(answer.url)
            raise error
        if piece.position >= piece.stop:
            return
        if answer.code == 0 and piece.stop == UNKNOWN:
            self._end_of_stream(piece)
        elif answer.code or piece.position == piece.start or answer.status == 200:
            raise transport_failure(answer)
        # Otherwise the host sends shorter parts than it was asked for, which it may.

    def _end_of_stream(self, piece: Piece) -> None:
        """Learn the length of a stream that did not tell it from where it ended."""
        size, promised = piece.position, self._facts.promised_bytes
        if promised is not None and size < promised:
            raise Setback(ConnectionLost(f"The stream ended after {size} of {promised} bytes."))
        if promised is not None and size > promised:
            raise SizeMismatch(f"The host's file has {size} bytes instead of {promised}.")
        self._facts.size_bytes = self.meter.bytes_total = piece.stop = size
        self._pieces.learn_size(size, piece, whole=True)

    async def _rest(self) -> None:
        """Wait until something happens, a quarter of a second at most; longer during a pause."""
        pause_s = self._pause_until - monotonic_s()
        wait_s = _TURN_S if self._tasks else max(0.0, pause_s)
        if not self._tasks and pause_s > 0:
            self.meter.connections, self.meter.waiting_until = 0, self._pause_until
        # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._hot.wait()
        if monotonic_s() >= self._pause_until:
            self.meter.waiting_until = None

    async def _reap(self) -> None:
        for task in [task for task in self._tasks if task.done()]:
            piece = self._tasks.pop(task)
            self._pieces.end(piece)
            try:
                task.result()
            except Setback as setback:
                self._wait_out(setback, piece)
                if self._one_stream and self._answered:
                    await self._begin_again(setback)

    async def _begin_again(self, setback: Setback) -> None:
        """A stream that cannot be continued is asked for again from its beginning, after the pause."""
        self.meter.waiting_until = self._pause_until
        await asyncio.sleep(max(0.0, self._pause_until - monotonic_s()))
        self.meter.waiting_until = None
        raise StartOver(setback.error, plain=self._plain, counted=False)

    def _wait_out(self, setback: Setback, piece: Piece) -> None:
        meter, now = self.meter, monotonic_s()
        meter.attempts += 1
        meter.last_error = setback.error.message
        if setback.crowded:
            self._tuner.crowded(sum(not task.done() for task in self._tasks), now)
        pause_s = self._patience.wait_s(setback, began_at=piece.began_at, reached_bytes=meter.bytes_done)
        self._pause_until = max(self._pause_until, monotonic_s() + pause_s)

    async def _stop_all(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for piece in self._tasks.values():
            self._pieces.end(piece)
        self._tasks.clear()
        self.meter.connections = 0
