"""Ask a host one small question over HTTP: one request, no redirect followed, few bytes read."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from backend.sources.addresses import host_key, next_hop
from backend.sources.errors import HostFailed, HostSilent, HostUnreachable, HostUntrusted, SourceError
from backend.version import VERSION

if TYPE_CHECKING:
    import httpx2

USER_AGENT = f"Hearth/{VERSION}"  # Civitai's edge answers 403 to agents named python-*
_CONNECT_S = 10.0
_IDLE_S = 20.0
_TOTAL_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a host; names of ``headers`` are lower case, ``body`` is as much as was asked for."""

    url: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def location(self) -> str | None:
        """The absolute address that a redirect leads to; HostFailed when it makes no sense."""
        target = self.headers.get("location") if 300 <= self.status < 400 else None
        return None if target is None else next_hop(self.url, target)

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode("utf-8", "replace")

    def json_object(self) -> dict[str, object]:
        """Return the body as a JSON object.

        Raises:
            HostFailed: It is none.
        """
        try:
            document: object = json.loads(self.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise HostFailed(f"{host_key(self.url)} answers with something that makes no sense.")
        return cast("dict[str, object]", document)


class Client:
    """Share one pool of connections between all sources; it is made at the first question."""

    def __init__(self, cafile: str | None = None) -> None:
        self._cafile = cafile
        self._http: httpx2.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, *, limit_bytes: int = 0
    ) -> Answer:
        """Return the answer with at most *limit_bytes* of its body; the rest is never read.

        Raises:
            HostUnreachable: No connection, or one that broke.
            HostSilent: Connected, but no answer in time.
            HostUntrusted: The certificate is not good.
        Cancelled: the connection is closed.
        """
        http = await self._opened()
        import httpx2

        host = host_key(url)
        try:
            async with asyncio.timeout(_TOTAL_S):
                return await _ask(http, method, url, headers or {}, limit_bytes)
        except (TimeoutError, httpx2.ReadTimeout, httpx2.WriteTimeout):
            raise HostSilent(f"{host} does not answer in time.") from None
        except httpx2.TimeoutException:
            raise HostUnreachable(f"{host} cannot be reached in time.") from None
        except httpx2.InvalidURL:
            raise HostFailed(f"{host} is addressed in a way that makes no sense.") from None
        except httpx2.HTTPError as error:
            raise _connection_error(error, host) from None

    async def aclose(self) -> None:
        """Close the connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _opened(self) -> httpx2.AsyncClient:
        async with self._opening:
            if self._http is None:
                self._http = await asyncio.to_thread(open_http, self._cafile, idle_s=_IDLE_S)
            return self._http


def open_http(cafile: str | None, *, idle_s: float) -> httpx2.AsyncClient:
    """Make a client that keeps no cookies and follows no redirect; blocking: it imports a library and reads certificates."""
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx2

    return httpx2.AsyncClient(
        verify=_tls_context(cafile),
        timeout=httpx2.Timeout(idle_s, connect=_CONNECT_S),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
    )


async def _ask(http: httpx2.AsyncClient, method: str, url: str, headers: Mapping[str, str], limit_bytes: int) -> Answer:
    async with http.stream(method, url, headers=dict(headers)) as response:
        body = bytearray()
        if limit_bytes and method != "HEAD":
            async for chunk in response.aiter_bytes(min(limit_bytes, 65_536)):
                body += chunk
                if len(body) >= limit_bytes:
                    break
        return Answer(url, response.status_code, lower_case(response.headers), bytes(body[:limit_bytes]))


def _tls_context(cafile: str | None) -> ssl.SSLContext:
    """Trust the system's authorities, those of certifi, and *cafile*."""
    import certifi

    context = ssl.create_default_context()
    # Slim containers have no authorities of their own; a company's own come by SSL_CERT_FILE, which OpenSSL reads itself.
    context.load_verify_locations(certifi.where())
    if cafile is not None:
        context.load_verify_locations(cafile)
    return context


def lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    """Return *headers* with names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def _connection_error(error: Exception, host: str) -> SourceError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return HostUntrusted(f"The certificate of {host} cannot be trusted: {cause.verify_message}.")
        cause = cause.__cause__ or cause.__context__
    return HostUnreachable(f"{host} cannot be reached ({type(error).__name__}).")
