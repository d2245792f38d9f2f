"""The life of one file: look at the disk, ask the source, fetch what is missing, and remember what was verified."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from backend.downloads.address import same_address, shown_url
from backend.downloads.digest import sha256_of
from backend.downloads.errors import AddressNotKept, DestinationTaken
from backend.downloads.job import DownloadState
from backend.downloads.ports import Folders, Records, Resolve
from backend.downloads.transfer import Meter, Phase, TransferEngine, Wanted
from backend.kit.backoff import delay_s
from backend.kit.clock import monotonic_s
from backend.kit.files import FileIdentity, VerifiedFile
from backend.kit.headers import header_problem
from backend.sources import FileRef, RemoteFile, SourceError

_BACKOFF_BASE_S = 1.0
_BACKOFF_CAP_S = 60.0

Enter = Callable[[DownloadState], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be brought, where to, and what is known about it.

    ``may_replace`` allows to put a verified file in the place of one with another content.
    """

    directory: str
    name: str
    url: str
    revision: str | None
    size_bytes: int | None
    sha256: str | None
    may_replace: bool
    url_was_cut: bool = False

    @property
    def reference(self) -> FileRef:
        """The errand as sources understand it."""
        return FileRef(self.url, self.revision, self.size_bytes, self.sha256)


@dataclass(frozen=True, slots=True)
class Brought:
    """A file that is in its place; ``verified`` as in ``VerifiedFile``."""

    path: Path
    sha256: str
    verified: bool
    source_url: str


@dataclass(frozen=True, slots=True)
class Present:
    """What lies at the place already, and what was recorded about it."""

    path: Path
    identity: FileIdentity
    record: VerifiedFile | None


class Worker:
    """Bring files, one call each.

    Args:
        retries: How often a source that fails is asked again before its error counts.
    """

    def __init__(
        self, *, engine: TransferEngine, resolve: Resolve, paths: Folders, ledger: Records, retries: int
    ) -> None:
        self._engine = engine
        self._resolve = resolve
        self._paths = paths
        self._ledger = ledger
        self._retries = retries

    def destination(self, directory: str, name: str) -> Path:
        """Return where a file belongs; blocking.

        Raises:
            HearthError: The place is outside the fence.
        """
        return self._paths.destination(directory, name)

    def present(self, directory: str, name: str) -> Present | None:
        """Look for a file at its place; blocking.

        Raises:
            HearthError: The place is outside the fence.
        """
        path = self._paths.find(directory, name)
        try:
            return None if path is None else Present(path, FileIdentity.of(path), self._ledger.lookup_sync(path))
        except OSError:
            return None

    async def bring(self, errand: Errand, meter: Meter, enter: Enter) -> Brought:
        """Return when the file is in its place, whole and checked against whatever was promised.

        Args:
            enter: Awaited before each step; it stores the state.
        Raises:
            HearthError: Why it cannot be had; what arrived is kept for the next attempt.
        Cancelled: the connections are closed and what arrived is kept.
        """
        await enter(DownloadState.RESOLVING)
        found = await asyncio.to_thread(self.present, errand.directory, errand.name)
        if found is None:
            destination = await asyncio.to_thread(self.destination, errand.directory, errand.name)
            return await self._fetch(errand, destination, None, meter, enter, replace=False)
        if is_vouched_for(found, size_bytes=errand.size_bytes, sha256=errand.sha256, url=errand.url):
            assert found.record is not None
            return Brought(found.path, found.record.sha256, found.record.verified, shown_url(errand.url))
        remote: RemoteFile | None = None
        if errand.sha256 is None and not errand.url_was_cut:
            remote = await self._resolve_patiently(errand, meter)
        kept = await self._check(found, errand, remote, meter, enter)
        if kept is not None:
            return kept
        if not errand.may_replace:
            raise DestinationTaken(
                f"{errand.directory}/{errand.name} is there already, with another content.",
                hint="Choose another name, or move the file away.",
            )
        return await self._fetch(errand, found.path, remote, meter, enter, replace=True)

    async def remember(self, brought: Brought) -> int:
        """Record a file that was brought, so that nobody needs to read it again; return its size in bytes."""
        identity = await asyncio.to_thread(FileIdentity.of, brought.path)
        await self._ledger.record(
            VerifiedFile(
                brought.path,
                identity.size_bytes,
                identity.mtime_ns,
                identity.inode,
                brought.sha256,
                brought.verified,
                brought.source_url,
            )
        )
        return identity.size_bytes

    async def _check(
        self, found: Present, errand: Errand, remote: RemoteFile | None, meter: Meter, enter: Enter
    ) -> Brought | None:
        """Return the file that is there already when it is the right one, reading it at most once."""
        sha256, size_bytes = errand.sha256, errand.size_bytes
        if remote is not None:
            sha256 = remote.sha256
            size_bytes = remote.size_bytes if size_bytes is None else size_bytes
        if size_bytes not in (None, found.identity.size_bytes):
            return None
        if sha256 is None and size_bytes is None and not errand.may_replace:
            return None  # nothing tells that the user's file is what this address holds
        if found.record is not None:
            content = found.record.sha256
        elif sha256 is None and await asyncio.to_thread(header_problem, found.path, found.identity.size_bytes):
            return None
        else:
            content = await self._read(found, meter, enter)
        if sha256 not in (None, content):
            return None
        return Brought(found.path, content, sha256 is not None, shown_url(errand.url))

    async def _read(self, found: Present, meter: Meter, enter: Enter) -> str:
        await enter(DownloadState.VERIFYING)
        left_bytes = meter.bytes_done
        meter.phase = Phase.VERIFYING
        meter.bytes_total = found.identity.size_bytes

        def advanced(read_bytes: int) -> None:
            meter.bytes_done = meter.bytes_verified = read_bytes

        try:
            return await sha256_of(found.path, advanced)
        finally:
            meter.bytes_done, meter.bytes_verified = left_bytes, 0
            meter.phase = Phase.CONNECTING

    async def _fetch(
        self,
        errand: Errand,
        destination: Path,
        remote: RemoteFile | None,
        meter: Meter,
        enter: Enter,
        *,
        replace: bool,
    ) -> Brought:
        if errand.url_was_cut:
            raise AddressNotKept("The address carried a signature, and those are not kept over a restart.")
        resolved = [] if remote is None else [remote]

        async def resolve() -> RemoteFile:
            place = resolved.pop() if resolved else await self._resolve(errand.reference)
            if meter.bytes_total is None:
                meter.bytes_total = place.size_bytes  # stored with the new state: the disk plan counts on it
            await enter(DownloadState.DOWNLOADING)
            return place

        wanted = Wanted(destination, resolve, errand.size_bytes, errand.sha256, replace=replace)
        fetched = await self._engine.fetch(wanted, meter)
        return Brought(fetched.path, fetched.sha256, fetched.verified, shown_url(errand.url))

    async def _resolve_patiently(self, errand: Errand, meter: Meter) -> RemoteFile:
        """Ask the source outside a transfer, where nobody else asks again."""
        attempt = 0
        while True:
            try:
                return await self._resolve(errand.reference)
            except SourceError as error:
                attempt += 1
                if not error.retryable or attempt > self._retries:
                    raise
                meter.attempts += 1
                pause_s = error.retry_after_s or delay_s(attempt, base_s=_BACKOFF_BASE_S, cap_s=_BACKOFF_CAP_S)
                meter.waiting_until = monotonic_s() + pause_s
                await asyncio.sleep(pause_s)
                meter.waiting_until = None


def is_vouched_for(found: Present, *, size_bytes: int | None, sha256: str | None, url: str) -> bool:
    """Tell whether a file needs neither network nor reading: it was recorded as what is asked for."""
    record = found.record
    if record is None or size_bytes not in (None, record.size_bytes):
        return False
    if sha256 is not None:
        return record.sha256 == sha256
    return record.source_url is not None and same_address(record.source_url, url)
