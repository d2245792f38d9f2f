"""A file under way, for all the jobs that want it: who rides along, its counters, its speed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from backend.downloads.job import DownloadState
from backend.downloads.progress import STALLED_AFTER_S, HighWater, Speedometer
from backend.downloads.transfer import Meter, Phase
from backend.downloads.worker import Brought
from backend.kit.clock import monotonic_s

_STATE_OF_PHASE = {
    Phase.DOWNLOADING: DownloadState.DOWNLOADING,
    Phase.VERIFYING: DownloadState.VERIFYING,
    Phase.PUBLISHING: DownloadState.VERIFYING,
}


@dataclass(slots=True, eq=False)
class Transfer:
    """One destination that is being worked on.

    ``claims`` maps the ids of the files that ride along to their jobs; ``left`` are those that got off on the way. A
    transfer without claims is ``leaving``: its connections are being closed.
    """

    destination: Path
    claims: dict[str, str]
    meter: Meter = field(default_factory=Meter)
    state: DownloadState = DownloadState.QUEUED
    left: set[str] = field(default_factory=set[str])
    discard: bool = False
    work: asyncio.Task[Brought] | None = None
    end: asyncio.Task[None] | None = None
    _speed: Speedometer | None = None
    _water: HighWater = field(default_factory=HighWater)

    @property
    def leaving(self) -> bool:
        """Whether nobody wants it any more."""
        return not self.claims

    def has_carried(self, file_id: str) -> bool:
        """Whether a file rides along or got off on the way."""
        return file_id in self.claims or file_id in self.left

    def leave(self, file_id: str) -> None:
        """Let a file get off; the last one ends the work."""
        if self.claims.pop(file_id, None) is not None:
            self.left.add(file_id)
        if not self.claims:
            self.stop()

    def stop(self) -> None:
        """End the work, unless the verified file is getting its name just now: then it comes to its good end."""
        if self.work is not None and self.meter.phase is not Phase.PUBLISHING:
            self.work.cancel()

    @property
    def bytes_done(self) -> int:
        """The bytes that are there; they go back only when the transfer begins anew.

        Before any come, those are there that an earlier run has left.
        """
        if self.meter.phase is not Phase.DOWNLOADING:
            return self.meter.bytes_done
        return self._water.reached(self.meter.bytes_done, self.meter.restarts)

    def sample(self, now_s: float) -> DownloadState | None:
        """Take the counters for the speed; return the state that the transfer has got into by itself, if another."""
        if self.state is DownloadState.DOWNLOADING:
            if self._speed is None:
                self._speed = Speedometer(now_s, self.bytes_done)
            self._speed.sample(now_s, self.bytes_done)
        state = _STATE_OF_PHASE.get(self.meter.phase)
        return state if state not in (None, self.state) else None

    def numbers(self) -> dict[str, int]:
        """Return what a stored file remembers of the counters."""
        found = {"bytes_done": self.bytes_done, "attempts": self.meter.attempts}
        return found if self.meter.bytes_total is None else {**found, "bytes_total": self.meter.bytes_total}

    def speed_bytes_s(self, now_s: float) -> float | None:
        """Return the speed, None unless bytes are being fetched."""
        if self._speed is None or self.state is not DownloadState.DOWNLOADING:
            return None
        return self._speed.speed_bytes_s(now_s)

    def eta_s(self, now_s: float, total_bytes: int | None) -> int | None:
        """Return the seconds left, None as long as nothing honest can be said."""
        if self._speed is None or total_bytes is None or self.state is not DownloadState.DOWNLOADING:
            return None
        return self._speed.eta_s(now_s, max(0, total_bytes - self.bytes_done))

    def stalled_s(self, now_s: float) -> float | None:
        """Return the seconds without a byte when they are worth a word."""
        if self.state is not DownloadState.DOWNLOADING or not self.meter.last_byte_at:
            return None
        quiet_s = now_s - self.meter.last_byte_at
        return round(quiet_s, 1) if quiet_s >= STALLED_AFTER_S else None

    def retry_in_s(self, now_s: float) -> float | None:
        """Return the seconds until the source is asked again, None unless it is a pause."""
        until_s = self.meter.waiting_until
        return round(until_s - now_s, 1) if until_s is not None and until_s > now_s else None


class Transfers:
    """Every transfer under way, by its destination."""

    def __init__(self) -> None:
        self._by_destination: dict[Path, Transfer] = {}

    def __len__(self) -> int:
        return len(self._by_destination)

    def __contains__(self, destination: Path) -> bool:
        return destination in self._by_destination

    def all(self) -> tuple[Transfer, ...]:
        """Return all of them."""
        return tuple(self._by_destination.values())

    def add(self, transfer: Transfer) -> None:
        """Take in a new one."""
        self._by_destination[transfer.destination] = transfer

    def remove(self, transfer: Transfer) -> None:
        """Let go of one that has come to its end."""
        del self._by_destination[transfer.destination]

    def at(self, destination: Path | None) -> Transfer | None:
        """Return the one for a destination."""
        return None if destination is None else self._by_destination.get(destination)

    def of(self, file_id: str, destination: Path | None) -> Transfer | None:
        """Return the one that a file rides in."""
        transfer = self.at(destination)
        return transfer if transfer is not None and file_id in transfer.claims else None

    def sample(self) -> list[tuple[Transfer, DownloadState]]:
        """Take all counters; return those that have got into another state by themselves."""
        now_s = monotonic_s()
        moved = [(transfer, transfer.sample(now_s)) for transfer in self.all()]
        return [(transfer, state) for transfer, state in moved if state is not None]
