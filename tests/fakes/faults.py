"""Every way in which a host has been seen to misbehave, as objects that can be combined on one path.

All faults take ``first`` and ``last``, the numbers of the requests (counted from 1 for each path and method) between which
they are at work; ``times=2`` is short for ``last=first + 1``. Counts of bytes are those of the answer's own body.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.fakes.content import Content
from tests.fakes.exchange import Ending, Exchange, Reply, serve

LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"


@dataclass(kw_only=True)
class Fault:
    """Base: a change of the answers to some requests of a path."""

    first: int = 1
    last: int | None = None
    times: int | None = None
    methods: tuple[str, ...] = ("GET",)

    def concerns(self, exchange: Exchange) -> bool:
        """Tell whether this request gets the fault."""
        last = self.first + self.times - 1 if self.times is not None else self.last
        in_window = self.first <= exchange.number and (last is None or exchange.number <= last)
        return in_window and exchange.seen.method in self.methods

    def apply(self, exchange: Exchange) -> None:
        """Change ``exchange.reply``."""
        raise NotImplementedError


@dataclass
class ShortBody(Fault):
    """The whole length is promised, *after* bytes come, then the connection closes in order."""

    after: int

    def apply(self, exchange: Exchange) -> None:
        exchange.reply.ending, exchange.reply.cut_after = Ending.CLOSE, self.after


@dataclass
class Reset(Fault):
    """The connection breaks with a TCP reset after *after* bytes."""

    after: int

    def apply(self, exchange: Exchange) -> None:
        exchange.reply.ending, exchange.reply.cut_after = Ending.RESET, self.after


@dataclass
class Stall(Fault):
    """Nothing comes any more after *after* bytes, and the socket stays open until the client leaves."""

    after: int

    def apply(self, exchange: Exchange) -> None:
        exchange.reply.ending, exchange.reply.cut_after = Ending.STALL, self.after


@dataclass
class Hangup(Fault):
    """The connection closes without any answer."""

    def apply(self, exchange: Exchange) -> None:
        exchange.reply.silent = True


@dataclass
class Slow(Fault):
    """Each connection gets at most this rate."""

    rate_bytes_s: float

    def apply(self, exchange: Exchange) -> None:
        exchange.reply.rate_bytes_s = self.rate_bytes_s


@dataclass
class Delay(Fault):
    """The answer begins after this time: latency."""

    seconds: float
    methods: tuple[str, ...] = field(default=("GET", "HEAD"), kw_only=True)

    def apply(self, exchange: Exchange) -> None:
        exchange.reply.delay_s = self.seconds


@dataclass
class Status(Fault):
    """A status without the file: 404, 410, 429, 500 and so on."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    content_type: str = "text/plain"

    def apply(self, exchange: Exchange) -> None:
        exchange.reply = Reply.text(self.status, self.body, self.content_type)
        exchange.reply.headers.update(self.headers)


def too_many(times: int | None = 1, retry_after: str | float | None = None, first: int = 1) -> Status:
    """Answer 429, with Retry-After (seconds or an HTTP date) or without."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Status(429, "Too Many Requests", headers, first=first, times=times)


def unavailable(times: int | None = 1, retry_after: str | float | None = None, first: int = 1) -> Status:
    """Answer 503, with Retry-After or without."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Status(503, "Service Unavailable", headers, first=first, times=times)


@dataclass
class MaxConnections(Fault):
    """More than *limit* answers of this path at the same time are refused."""

    limit: int
    status: int = 429

    def apply(self, exchange: Exchange) -> None:
        if exchange.active > self.limit:
            exchange.reply = Reply.text(self.status, "Too many connections")


@dataclass
class ChangingEtag(Fault):
    """Every answer has another strong ETag although the bytes are the same, as nodes of some CDNs do."""

    def apply(self, exchange: Exchange) -> None:
        if exchange.content is not None:
            serve_again(exchange, replace(exchange.content, etag=f'"node-{exchange.number}"'))


@dataclass
class Replaced(Fault):
    """From request *first* on the path holds another content; If-Range is honoured or ignored (206 with the new ETag)."""

    by: Content
    if_range_honoured: bool = True

    def apply(self, exchange: Exchange) -> None:
        serve_again(exchange, self.by, if_range_honoured=self.if_range_honoured)


@dataclass
class NoValidator(Fault):
    """Neither ETag nor Last-Modified."""

    methods: tuple[str, ...] = field(default=("GET", "HEAD"), kw_only=True)

    def apply(self, exchange: Exchange) -> None:
        if exchange.content is not None:
            serve_again(exchange, replace(exchange.content, etag=None, last_modified=None))


@dataclass
class WeakEtag(Fault):
    """The ETag is weak, so it proves nothing about bytes."""

    methods: tuple[str, ...] = field(default=("GET", "HEAD"), kw_only=True)

    def apply(self, exchange: Exchange) -> None:
        if exchange.content is not None:
            serve_again(exchange, replace(exchange.content, etag='W/"weak"', last_modified=None))


@dataclass
class HtmlPage(Fault):
    """A web page with status 200: from the start, or from request *first* on."""

    page: str = LOGIN_PAGE

    def apply(self, exchange: Exchange) -> None:
        exchange.reply = Reply.text(200, self.page, "text/html; charset=utf-8")


@dataclass
class RangeIgnored(Fault):
    """Range is answered with 200 and the whole file; cut it by adding ShortBody or Reset."""

    def apply(self, exchange: Exchange) -> None:
        if exchange.content is not None:
            wanted, exchange.seen.range = exchange.seen.range, None
            serve_again(exchange, exchange.content)
            exchange.seen.range = wanted
            exchange.reply.headers.pop("Accept-Ranges")


@dataclass
class WrongOffset(Fault):
    """A 206 begins *shift* bytes beside what was asked; its Content-Range tells so."""

    shift: int

    def apply(self, exchange: Exchange) -> None:
        reply = exchange.reply
        if reply.status == 206:
            reply.start = max(0, min(reply.start + self.shift, reply.content.size - 1))
            reply.stop = max(reply.start + 1, min(reply.stop + self.shift, reply.content.size))
            reply.headers["Content-Range"] = f"bytes {reply.start}-{reply.stop - 1}/{reply.content.size}"


@dataclass
class RangeRefused(Fault):
    """Every range is answered with 416, as though the file had shrunk."""

    def apply(self, exchange: Exchange) -> None:
        if exchange.seen.range is not None:
            exchange.reply = Reply.text(416, "", Content_Range="bytes */0")


@dataclass
class Chunked(Fault):
    """The body comes in chunks, without a length."""

    def apply(self, exchange: Exchange) -> None:
        exchange.reply.chunked = True


@dataclass
class Gzipped(Fault):
    """The whole body comes gzipped although identity was asked; ranges are ignored, as on-the-fly coding does."""

    def apply(self, exchange: Exchange) -> None:
        RangeIgnored().apply(exchange)
        exchange.reply.gzip = True


@dataclass
class FlippedByte(Fault):
    """One byte of the file, at this offset, is wrong whenever it is sent."""

    at: int

    def apply(self, exchange: Exchange) -> None:
        exchange.reply.flip = self.at


@dataclass
class RefusesAuthorization(Fault):
    """A CDN with signed addresses: 400 to any Authorization header."""

    methods: tuple[str, ...] = field(default=("GET", "HEAD"), kw_only=True)

    def apply(self, exchange: Exchange) -> None:
        if "authorization" in exchange.seen.headers:
            exchange.reply = refused_authorization()


@dataclass
class ClosesConnection(Fault):
    """No keep-alive: the connection closes after a whole answer."""

    def apply(self, exchange: Exchange) -> None:
        exchange.reply.close = True


@dataclass
class NeedsToken(Fault):
    """401 without the bearer token, 403 for tokens in *unaccepted*, the file for *token*."""

    token: str
    unaccepted: tuple[str, ...] = ()
    methods: tuple[str, ...] = field(default=("GET", "HEAD"), kw_only=True)

    def apply(self, exchange: Exchange) -> None:
        if exchange.seen.token in self.unaccepted:
            exchange.reply = Reply.text(403, "You have not accepted the terms.")
        elif exchange.seen.token != self.token:
            exchange.reply = Reply.text(401, "Who are you?", WWW_Authenticate="Bearer")


def refused_authorization() -> Reply:
    """Answer as S3 does to a request that is both signed and authorised."""
    return Reply.text(
        400,
        "<?xml version='1.0'?><Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>",
        "application/xml",
    )


def serve_again(exchange: Exchange, content: Content, *, if_range_honoured: bool = True) -> None:
    """Answer with *content* instead, keeping what other faults did to the way of sending."""
    old, exchange.content = exchange.reply, content
    exchange.reply = serve(exchange.seen, content, if_range_honoured=if_range_honoured)
    for name in ("ending", "cut_after", "rate_bytes_s", "delay_s", "chunked", "gzip", "flip", "close", "silent"):
        setattr(exchange.reply, name, getattr(old, name))
