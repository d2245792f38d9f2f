"""One HTTP request on libcurl: its head is parsed, its body goes into the blocks of a part.

Everything below ``make`` runs on the pump's thread, inside callbacks of libcurl: no exception may leave them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import pycurl

from backend.downloads.transfer.blocks import BLOCK_BYTES, Block
from backend.downloads.transfer.part import Part
from backend.downloads.transfer.pieces import Piece
from backend.downloads.transfer.terms import Meter
from backend.downloads.transfer.throttle import Bucket, Throttle
from backend.kit.clock import monotonic_s
from backend.sources import is_forbidden_address

# Civitai's edge refuses an empty agent and those of well-known libraries.
_USER_AGENT = "Hearth/1.0 (+libcurl)"
_CONNECT_TIMEOUT_S = 15
_READ_BYTES = 512 << 10
_ERROR_BYTES = 4 << 10
_HOLD_S = 0.5  # a block that fills more slowly is handed over as it is: a power cut costs seconds, not blocks
_HAND_OVER_BYTES = 4 << 10  # enough for a look at the head of the file
_STOP = -1  # tells libcurl to end the request: fewer bytes taken than given


@dataclass(slots=True)
class Answer:
    """What came back; header names are lower case. ``code`` is libcurl's (0: complete), ``stalled`` the watchdog's word,
    ``forbidden`` that the name led to an address that is not asked.

    ``refusal`` is what the intake raised when it saw the head; ``accepted`` says that the body went to the part.
    """

    url: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    code: int = 0
    reason: str = ""
    round_trip_s: float = 0.0
    stalled: bool = False
    forbidden: bool = False
    accepted: bool = False
    refusal: Exception | None = None


class Intake(Protocol):
    """Where the bodies of one file's requests go."""

    part: Part
    meter: Meter
    bucket: Bucket

    def accept(self, answer: Answer, piece: Piece) -> None:
        """Look at the head of an answer before its first byte is taken; on the pump's thread; raises to refuse it."""
        ...


class Request:
    """Ask for *piece* and let its bytes go to *intake*; without them the body is collected up to *body_limit*.

    Args:
        headers: Lines as sent.
        cafile: Authorities to trust.
    """

    def __init__(
        self,
        url: str,
        headers: list[str],
        *,
        cafile: str | None,
        byte_range: tuple[int, int] | None,
        piece: Piece | None = None,
        intake: Intake | None = None,
        body_limit: int = _ERROR_BYTES,
    ) -> None:
        self._headers = headers
        self._cafile = cafile
        self._byte_range = byte_range
        self._body_limit = body_limit
        self._piece = piece
        self._intake = intake
        self._block: Block | None = None
        self._throttle: Throttle | None = None
        self._loop = asyncio.get_running_loop()
        self._pause: Callable[[Request], None] = _ignore
        self.direct = False
        self.answer = Answer(url)
        self.ended: asyncio.Future[Answer] = self._loop.create_future()
        self.curl: Any = None
        self._made_at = 0.0
        self._held = (-1, 0.0)  # the offset of the block at hand, and since when it is at hand
        self.seen_at = 0.0
        self.seen_mark: tuple[int, int, int] = (0, 0, 0)

    @property
    def bucket(self) -> Bucket | None:
        """Where the bandwidth limit takes its bytes from."""
        return None if self._intake is None else self._intake.bucket

    @property
    def mark(self) -> tuple[int, int, int]:
        """Something that changes with every byte that comes, for the stall watchdog."""
        position = 0 if self._piece is None else self._piece.position
        return (position, len(self.answer.headers), len(self.answer.body))

    def make(self, throttle: Throttle, pause: Callable[[Request], None]) -> Any:
        """Build libcurl's handle."""
        self._throttle, self._pause = throttle, pause
        curl: Any = pycurl.Curl()
        curl.request = self
        curl.setopt(pycurl.URL, self.answer.url)
        # Ranges of one HTTP/2 connection would share its TCP window.
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.USERAGENT, _USER_AGENT)
        curl.setopt(pycurl.HTTPHEADER, ["Accept: */*", "Accept-Encoding: identity", *self._headers])
        curl.setopt(pycurl.CONNECTTIMEOUT, _CONNECT_TIMEOUT_S)
        curl.setopt(pycurl.TCP_KEEPALIVE, 1)
        curl.setopt(pycurl.BUFFERSIZE, _READ_BYTES)
        curl.setopt(pycurl.HEADERFUNCTION, self._take_header)
        curl.setopt(pycurl.WRITEFUNCTION, self._take)
        curl.setopt(pycurl.PREREQFUNCTION, self._check_address)
        if self._cafile is not None:
            curl.setopt(pycurl.CAINFO, self._cafile)
        if self._byte_range is not None:
            curl.setopt(pycurl.RANGE, f"{self._byte_range[0]}-{self._byte_range[1] - 1}")
        self.curl, self._made_at = curl, monotonic_s()
        return curl

    def can_go_on(self) -> bool:
        """Tell whether a paused request may be woken."""
        intake, throttle = self._intake, self._throttle
        return intake is None or throttle is None or (intake.part.has_room() and throttle.allows(intake.bucket, 0))

    def hand_over_late(self, now: float) -> None:
        """Let a block be written that does not fill in time; called several times a second."""
        block = self._block
        offset = -1 if block is None else block.offset
        if block is None or offset != self._held[0]:
            self._held = (offset, now)
        elif now - self._held[1] >= _HOLD_S and block.fill >= _HAND_OVER_BYTES and self._intake is not None:
            self._block = None
            self._intake.part.put(block)

    def finish(self, code: int, reason: str) -> None:
        """Hand over what is left of the body and wake whoever waits."""
        block, self._block = self._block, None
        if block is not None and self._intake is not None:
            self._intake.part.put(block)
        self.answer.code, self.answer.reason = code, reason
        # A closed loop has nobody who waits.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        if not self.ended.done():
            self.ended.set_result(self.answer)

    def _check_address(self, remote_ip: str, _local_ip: str, _remote_port: int, _local_port: int) -> int:
        """Refuse, before anything is said, an address that no name should lead to."""
        # Half of the time of the handshakes: near enough for deciding how long a measurement must last.
        self.answer.round_trip_s = (monotonic_s() - self._made_at) / 2
        self.answer.forbidden = is_forbidden_address(remote_ip)
        return pycurl.PREREQFUNC_ABORT if self.answer.forbidden else pycurl.PREREQFUNC_OK

    def _take_header(self, raw: bytes) -> None:
        line = raw.decode("latin-1").rstrip("\r\n")
        if line.startswith("HTTP/"):
            status = line.split(" ", 2)[1:2]
            self.answer.status = int(status[0]) if status and status[0].isdigit() else 0
            self.answer.headers = {}
        elif ":" in line:
            name, _, value = line.partition(":")
            self.answer.headers[name.strip().lower()] = value.strip()

    def _take(self, data: bytes) -> int | None:
        """Take bytes: the fast path, about 65 000 calls per gigabyte."""
        block, size = self._block, len(data)
        if block is not None and self.direct:
            fill = block.fill
            end = fill + size
            piece = self._piece
            if end < BLOCK_BYTES and piece.position + size <= piece.stop:  # type: ignore[union-attr] -- direct: it has one
                block.view[fill:end] = data
                block.fill = end
                piece.position += size  # type: ignore[union-attr] -- as above
                self._intake.meter.bytes_done += size  # type: ignore[union-attr] -- as above
                return None
        return self._take_carefully(data, size)

    def _take_carefully(self, data: bytes, size: int) -> int | None:
        """Take the first bytes, those at the edge of a block, the last ones, and any under a bandwidth limit."""
        piece, intake = self._piece, self._intake
        if piece is None or intake is None or self.answer.status not in (200, 206):
            self.answer.body = (self.answer.body + data)[: self._body_limit]
            return None
        if not self.answer.accepted and not self._accept(intake, piece):
            return _STOP
        room = piece.stop - piece.position
        if room <= 0:
            return _STOP  # another connection took the rest over
        if not intake.part.has_room() or (self._throttle and not self._throttle.allows(intake.bucket, size)):
            self._pause(self)
            return pycurl.WRITEFUNC_PAUSE
        taken = min(size, room)
        self._store(memoryview(data)[:taken], piece, intake)
        return None if taken == size else _STOP

    def _accept(self, intake: Intake, piece: Piece) -> bool:
        try:
            intake.accept(self.answer, piece)
        except Exception as error:  # noqa: BLE001 -- libcurl would print it and go on; the transfer raises it instead
            self.answer.refusal = error
            return False
        self.answer.accepted = True
        self.direct = not (self._throttle and self._throttle.rate_bytes_s)
        return True

    def _store(self, data: memoryview, piece: Piece, intake: Intake) -> None:
        while data:
            block = self._block
            if block is None:
                block = self._block = intake.part.pool.take(piece.position)
            count = min(BLOCK_BYTES - block.fill, len(data))
            block.view[block.fill : block.fill + count] = data[:count]
            block.fill += count
            piece.position += count
            intake.meter.bytes_done += count
            data = data[count:]
            if block.fill == BLOCK_BYTES:
                self._block = None
                intake.part.put(block)


def _ignore(_request: Request) -> None:
    pass
