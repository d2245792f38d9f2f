"""The way to the bytes: redirects hop by hop, secrets only for the origin they belong to, a new way when the old one ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin, urlsplit

from backend.downloads.errors import BadAnswer, InsecureRedirect, SourceChanged, TooManyRedirects
from backend.downloads.transfer.hosts import host_of, origin_of
from backend.downloads.transfer.request import Answer, Request
from backend.downloads.transfer.retry import Setback, StartOver
from backend.downloads.transfer.shared import Shared
from backend.errors import HearthError
from backend.sources import RemoteFile, is_forbidden_address

_MAX_HOPS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LOGIN_PAGE = re.compile(r"/(?:log-?in|sign-?in)\b", re.IGNORECASE)

Make = Callable[[str, list[str]], Request]


class Route:
    """Lead the requests of one transfer to the file.

    The first request finds the way; others wait until it has arrived and go there directly. Where the way ends - a signed
    address has expired - the source is asked again.
    """

    def __init__(self, shared: Shared, remote: RemoteFile, resolve: Callable[[], Awaitable[RemoteFile]]) -> None:
        self._shared = shared
        self._resolve = resolve
        self._final: str | None = None
        self._stale = False
        self._seeking = False
        self._moved = asyncio.Event()
        self.remote = remote

    @property
    def host(self) -> str:
        """The host that sends the bytes, as far as known."""
        return host_of(self._final or self.remote.url)

    def is_far(self, url: str) -> bool:
        """Tell whether *url* is of another origin than the address of the source."""
        return origin_of(url) != origin_of(self.remote.url)

    def arrived(self, url: str) -> None:
        """Bytes of the file come from *url*: everybody else may go there too."""
        if self._seeking:
            self._final, self._seeking = url, False
            self._moved.set()

    def forget(self, url: str) -> None:
        """*url* leads nowhere any more: find the way anew, asking the source first."""
        if self._final in (None, url):
            self._final, self._stale = None, True

    async def ask(self, make: Make) -> Answer:
        """Make a request at the end of the way and return its answer, which is no redirect.

        Args:
            make: Builds the request for an address and the header lines that may go there.
        Raises:
            Setback: The way has changed meanwhile, or the source cannot be asked right now.
            TooManyRedirects, InsecureRedirect, HearthError: The way leads nowhere.
        """
        while self._final is None and self._seeking:
            self._moved.clear()
            await self._moved.wait()
        if self._final is None:
            return await self._seek(make)
        answer = await self._perform(self._final, make)
        if _location(answer) is not None:
            self.forget(answer.url)
            raise Setback(BadAnswer(f"{host_of(answer.url)} leads on from where the file was."), relink=True)
        return answer

    async def _seek(self, make: Make) -> Answer:
        self._seeking = True
        try:
            if self._stale:
                await self._renew()
            return await self._follow(make)
        finally:
            self._seeking = False
            self._moved.set()

    async def _renew(self) -> None:
        try:
            remote = await self._resolve()
        except HearthError as error:
            if getattr(error, "retryable", False):
                raise Setback(error, wait_s=getattr(error, "retry_after_s", None)) from error
            raise
        old, self.remote, self._stale = self.remote, remote, False
        if old.identity != remote.identity or old.sha256 != remote.sha256:
            raise StartOver(SourceChanged("The address leads to another file now than at the start."))

    async def _follow(self, make: Make) -> Answer:
        url = self.remote.url
        for _ in range(_MAX_HOPS + 1):
            answer = await self._perform(url, make)
            location = _location(answer)
            if location is None:
                return answer
            following = urljoin(url, location)
            self._check_hop(url, following, answer)
            url = following
        raise TooManyRedirects(f"{host_of(self.remote.url)} redirects more than {_MAX_HOPS} times.")

    def _check_hop(self, url: str, following: str, answer: Answer) -> None:
        parts = urlsplit(following)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadAnswer(f"{host_of(url)} redirects to something that is no web address.")
        if urlsplit(url).scheme == "https" and parts.scheme == "http":
            raise InsecureRedirect(f"{host_of(url)} redirects from https to http; that was not followed.")
        if is_forbidden_address(parts.hostname):
            raise InsecureRedirect(f"{host_of(url)} redirects to an address that only machines of a cloud may ask.")
        if _LOGIN_PAGE.search(parts.path):
            raise self._shared.explain(url, 401, answer.headers, b"")

    async def _perform(self, url: str, make: Make) -> Answer:
        secrets = [] if self.is_far(url) else [f"{name}: {value}" for name, value in self.remote.headers.items()]
        request = make(url, secrets)
        async with self._shared.hosts.slot(host_of(url)):
            await self._shared.pump.perform(request)
        return request.answer


def _location(answer: Answer) -> str | None:
    return answer.headers.get("location") or None if answer.status in _REDIRECTS else None
