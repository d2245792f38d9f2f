"""One request and the answer that is being prepared for it: what faults look at and change."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.content import Content


@dataclass
class Seen:
    """A request as the host saw it; ``bytes_sent`` and ``closed_at`` go on changing while the answer is sent.

    ``range`` holds first and last byte as asked, the last being None for an open end. ``closed_at`` (time.monotonic) is when
    the answer ended or the client went away; ``cut`` tells that it went away, or was cut, before the promised end. A client may
    have read an answer before its record is complete: wait for ``closed_at`` before looking at the other two.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    connection: int = 0
    range: tuple[int, int | None] | None = None
    status: int = 0
    bytes_sent: int = 0
    started_at: float = field(default_factory=time.monotonic)
    closed_at: float | None = None
    cut: bool = False

    @property
    def route(self) -> str:
        """The path without its query."""
        return urlsplit(self.path).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    @property
    def token(self) -> str | None:
        """The bearer token that came along."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        return value if scheme.lower() == "bearer" else None


class Ending(Enum):
    """How the sending of a body ends."""

    WHOLE = "whole"
    CLOSE = "close"  # FIN in the middle
    RESET = "reset"  # RST in the middle
    STALL = "stall"  # silence with an open socket


@dataclass
class Reply:
    """What the host is going to answer.

    ``start`` and ``stop`` bound the bytes of ``content`` that are promised. A fault may send fewer (``ending`` after
    ``cut_after`` bytes), slower, other bytes (``flip``), or in another coding.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    content: Content = field(default_factory=lambda: Content.of(b""))
    start: int = 0
    stop: int = 0
    ending: Ending = Ending.WHOLE
    cut_after: int = 0
    rate_bytes_s: float = 0
    delay_s: float = 0
    chunked: bool = False
    gzip: bool = False
    flip: int | None = None
    close: bool = False
    silent: bool = False  # not even a status line

    @classmethod
    def text(cls, status: int, body: str = "", content_type: str = "text/plain", **headers: str) -> Reply:
        """Return a short answer; names of *headers* are written with underscores."""
        content = Content.of(body, content_type=content_type)
        named = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return cls(status, named, content, 0, content.size)

    @classmethod
    def redirect(cls, location: str, status: int = 302, **headers: str) -> Reply:
        """Return a redirect with a short body, as real hosts send."""
        return cls.text(status, f"{status} to another place", Location=location, **headers)


@dataclass
class Exchange:
    """A request, its count among the requests of its path and method (1 is the first), and the answer."""

    seen: Seen
    number: int
    active: int  # answers of this path that are being sent right now, this one included
    reply: Reply
    content: Content | None = None


Handler = Callable[[Exchange], Reply]


def serve(seen: Seen, content: Content, *, if_range_honoured: bool = True) -> Reply:
    """Answer as a sound host does: ranges, If-Range, 416, validators (RFC 9110 §13.1.5, §14)."""
    headers = {"Content-Type": content.content_type, "Accept-Ranges": "bytes"}
    if content.etag:
        headers["ETag"] = content.etag
    if content.last_modified:
        headers["Last-Modified"] = content.last_modified
    if content.filename:
        headers["Content-Disposition"] = f'attachment; filename="{content.filename}"'
    reply = Reply(200, headers, content, 0, content.size)
    wanted = seen.range
    condition = seen.headers.get("if-range")
    if condition is not None and if_range_honoured and not _matches(condition, content):
        wanted = None
    if wanted is None:
        return reply
    first, last = wanted
    if first >= content.size:
        return Reply(416, {**headers, "Content-Range": f"bytes */{content.size}"}, Content.of(b""), 0, 0)
    reply.start = max(0, first if first >= 0 else content.size + first)
    reply.stop = content.size if last is None or first < 0 else min(last + 1, content.size)
    reply.status = 206
    headers["Content-Range"] = f"bytes {reply.start}-{reply.stop - 1}/{content.size}"
    return reply


def _matches(condition: str, content: Content) -> bool:
    if condition.startswith(("W/", '"')):
        return condition == content.etag and not condition.startswith("W/")
    return condition == content.last_modified


def parse_range(value: str | None) -> tuple[int, int | None] | None:
    """Read one range of bytes; several ranges or another unit are ignored, as RFC 9110 §14.2 allows."""
    unit, _, spec = (value or "").partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip() != "bytes" or not dash or "," in spec or not (first + last).isdigit():
        return None
    if not first:
        return -int(last), None
    return int(first), int(last) if last else None
