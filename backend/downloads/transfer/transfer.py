"""The life of one file: find it, gather it, check it, give it its name; begin anew when it changes on the way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from backend.downloads.digest import sha256_of
from backend.downloads.errors import ChecksumMismatch, DestinationTaken, DownloadError
from backend.downloads.transfer.content import frame_problem, look_at_head
from backend.downloads.transfer.disk import disk_error, open_part, publish
from backend.downloads.transfer.facts import SourceFacts
from backend.downloads.transfer.gathering import Gathering
from backend.downloads.transfer.part import Part
from backend.downloads.transfer.promises import agreed_sha256, agreed_size
from backend.downloads.transfer.ranges import Ranges
from backend.downloads.transfer.retry import Patience, Setback, StartOver, Worthless
from backend.downloads.transfer.route import Route
from backend.downloads.transfer.shared import Shared
from backend.downloads.transfer.state import discard_partial, load_state, part_path, state_path
from backend.downloads.transfer.terms import Fetched, Meter, Phase, Wanted
from backend.errors import HearthError
from backend.kit.clock import monotonic_s
from backend.kit.redact import redact_url
from backend.logs import get_logger
from backend.sources import RemoteFile

_PLAIN_AFTER_RESTARTS = 2  # one stream is one version, also where every answer has another validator
_TEXT_SUFFIXES = (".html", ".htm")
_log = get_logger(__name__)


class Transfer:
    """Fetch one file; :meth:`run` once."""

    def __init__(self, shared: Shared, wanted: Wanted, meter: Meter) -> None:
        self._shared = shared
        self._wanted = wanted
        self._meter = meter
        self._patience = Patience(shared.retries, shared.backoff_base_s)
        self._began_at = monotonic_s()
        self._fetched_bytes = 0
        self._plain = False
        self._sha256: str | None = None
        self._size: int | None = None

    async def run(self) -> Fetched:
        """Return when the file is in its place.

        Raises:
            HearthError: Why it cannot be had; what arrived is kept unless it is worthless.
        Cancelled: every socket is closed, what arrived is on the disk.
        """
        remote = await self._find()
        self._agree(remote)
        present = await self._look_at_destination(remote)
        if present is not None:
            return present
        route = Route(self._shared, remote, self._wanted.resolve)
        while True:
            try:
                return await self._attempt(route)
            except StartOver as again:
                self._start_over(again)
                self._agree(route.remote)
            except Worthless as worthless:
                raise worthless.error from None

    def _agree(self, remote: RemoteFile) -> None:
        """Take the promises of the caller and of the source together; raises when they contradict each other."""
        self._meter.revision = remote.revision
        self._sha256 = agreed_sha256(self._wanted.sha256, remote.sha256)
        self._size = agreed_size(self._wanted.size_bytes, remote.size_bytes)

    async def _find(self) -> RemoteFile:
        """Ask the source, again and again where that may help."""
        while True:
            began_at = monotonic_s()
            try:
                return await self._wanted.resolve()
            except HearthError as error:
                if not getattr(error, "retryable", False):
                    raise
                setback = Setback(error, wait_s=getattr(error, "retry_after_s", None))
                self._meter.attempts += 1
                self._meter.last_error = error.message
                pause_s = self._patience.wait_s(setback, began_at=began_at, reached_bytes=0)
                self._meter.waiting_until = monotonic_s() + pause_s
                await asyncio.sleep(pause_s)
                self._meter.waiting_until = None

    async def _look_at_destination(self, remote: RemoteFile) -> Fetched | None:
        """Return the file that is there already when it is the promised one.

        Raises:
            DestinationTaken: It is another one, and may not be replaced.
        """
        destination = self._wanted.destination
        found = await self._shared.in_thread(_look, destination)
        if found is None:
            return None
        if self._sha256 is not None and found >= 0 and self._size in (None, found):
            self._meter.phase, self._meter.bytes_total = Phase.VERIFYING, found
            if await sha256_of(destination, self._note_verified) == self._sha256:
                self._meter.bytes_done = found
                await self._shared.in_thread(_tidy, destination)
                return self._result(remote, found, self._sha256)
            self._meter.phase = Phase.CONNECTING
        if found < 0 or not self._wanted.replace:
            raise DestinationTaken(f"{destination.name} is there already, with another content.")
        return None

    def _note_verified(self, size_bytes: int) -> None:
        self._meter.bytes_verified = size_bytes

    async def _attempt(self, route: Route) -> Fetched:
        """Take up what is on the disk, or begin, and bring it to an end."""
        shared, destination, meter = self._shared, self._wanted.destination, self._meter
        facts = SourceFacts(
            route.remote.identity,
            self._size,
            self._sha256,
            route.remote.content_addressed,
            takes_text=destination.suffix.lower() in _TEXT_SUFFIXES,
        )
        worthless = False
        opened: list[Part] = []
        relay = _Relay()
        try:
            # Kept in a list: a cancellation must not lose a part whose threads run already.
            await shared.to_the_end(lambda: opened.append(self._open(facts, relay)))
            part = opened[0]
            meter.bytes_total = facts.size_bytes or self._size
            gathering = Gathering(shared, route, facts, part, meter, self._patience, plain=self._plain)
            relay.connect(gathering.fail)
            try:
                await gathering.run()
            finally:
                self._fetched_bytes += max(0, meter.bytes_done - meter.resumed_from)
            return await self._complete(route.remote, facts, part)
        except (StartOver, Worthless):
            worthless = True
            raise
        finally:
            for part in opened:
                await shared.to_the_end(_close, part, destination, worthless=worthless)

    def _open(self, facts: SourceFacts, relay: _Relay) -> Part:
        """Open and lock the part with what of an earlier run can be used; blocking."""
        destination, meter = self._wanted.destination, self._meter
        handle = open_part(part_path(destination))
        try:
            ranges = self._take_up(facts, handle)
        except OSError as error:
            os.close(handle)
            raise disk_error(error, destination.parent) from error
        meter.phase = Phase.CONNECTING
        meter.bytes_verified, meter.resumed_from = 0, ranges.total
        meter.bytes_done = ranges.total
        return Part(
            destination,
            handle,
            ranges,
            meter,
            describe=facts.state,
            look_at_head=lambda head: look_at_head(destination.name, head),
            reserve_bytes=self._shared.reserve_bytes,
            failed=relay.fail,
            room_again=self._shared.pump.wake,
        )

    def _take_up(self, facts: SourceFacts, handle: int) -> Ranges:
        """Return what an earlier run left, as far as it can be used; anything else is dropped; blocking."""
        state = None if self._plain else load_state(self._wanted.destination)
        if state is not None and facts.resume(state):
            ranges = Ranges(state.ranges)
            # What nothing vouches for is one stream: only its beginning can be continued.
            return ranges if facts.is_provable else Ranges([(0, ranges.prefix)])
        state_path(self._wanted.destination).unlink(missing_ok=True)
        os.ftruncate(handle, 0)
        return Ranges()

    async def _complete(self, remote: RemoteFile, facts: SourceFacts, part: Part) -> Fetched:
        meter, wanted, size = self._meter, self._wanted, facts.size_bytes
        assert size is not None
        meter.phase, meter.bytes_done = Phase.VERIFYING, size
        digest = await self._shared.in_thread(part.finish)
        path = part_path(wanted.destination)
        verified = self._sha256 is not None
        if digest != self._sha256:
            problem = await self._shared.in_thread(frame_problem, path, size, wanted.destination.name)
            if problem is not None:
                raise Worthless(problem)
            if verified:
                raise StartOver(
                    ChecksumMismatch(
                        "The file does not have the promised checksum.",
                        details={"expected_sha256": self._sha256, "actual_sha256": digest},
                    ),
                    allowed=1,
                )
        meter.phase = Phase.PUBLISHING
        await self._shared.to_the_end(_publish, part, wanted)
        return self._result(remote, size, digest)

    def _result(self, remote: RemoteFile, size: int, digest: str) -> Fetched:
        return Fetched(
            path=self._wanted.destination,
            size_bytes=size,
            sha256=digest,
            verified=self._sha256 is not None,
            source_url=redact_url(remote.url),
            resumed_from=self._meter.resumed_from,
            fetched_bytes=self._fetched_bytes,
            seconds=monotonic_s() - self._began_at,
            attempts=self._meter.attempts,
            restarts=self._meter.restarts,
        )

    def _start_over(self, again: StartOver) -> None:
        meter = self._meter
        meter.bytes_done = meter.bytes_verified = meter.resumed_from = 0
        meter.last_error = again.error.message
        if again.counted and meter.restarts >= again.allowed:
            raise again.error
        meter.restarts += 1
        self._plain = again.plain or meter.restarts >= _PLAIN_AFTER_RESTARTS
        _log.info("download_restarted", file=self._wanted.destination.name, reason=again.error.message)


class _Relay:
    """Pass failures of the part on to whoever works on it; those that come before wait."""

    def __init__(self) -> None:
        self._waiting: list[Exception] = []
        self._listener: Callable[[Exception], None] | None = None

    def fail(self, error: Exception) -> None:
        """Take a failure, from any thread."""
        if self._listener is None:
            self._waiting.append(error)
        else:
            self._listener(error)

    def connect(self, listener: Callable[[Exception], None]) -> None:
        """Tell *listener* from now on, and what has come already."""
        self._listener = listener
        for error in self._waiting:
            listener(error)


def _publish(part: Part, wanted: Wanted) -> None:
    """Put the last bytes and the length on the disk, then give the file its name; blocking."""
    os.fsync(part.handle)
    publish(part_path(wanted.destination), wanted.destination, replace=wanted.replace)
    state_path(wanted.destination).unlink(missing_ok=True)


def _close(part: Part, destination: Path, *, worthless: bool) -> None:
    """End the part. Without a state its bytes are worth nothing and go too, as long as it is locked; blocking."""
    part.close()
    with suppress(OSError):
        if worthless or load_state(destination) is None:
            discard_partial(destination)
    part.release()


def _tidy(destination: Path) -> None:
    """Delete what an earlier run left of a file that is there, unless another process works on it; blocking."""
    if part_path(destination).exists() or state_path(destination).exists():
        with suppress(DownloadError, OSError):
            handle = open_part(part_path(destination))
            discard_partial(destination)
            os.close(handle)


def _look(destination: Path) -> int | None:
    """Return the size of what has the name: -1 when it is no file, None when the name is free; blocking."""
    if not os.path.lexists(destination):
        return None
    return destination.stat().st_size if destination.is_file() else -1
