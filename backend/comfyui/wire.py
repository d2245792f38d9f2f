"""Ask one ComfyUI over HTTP: one pool of connections, failures named, nothing of the outside passed on.

No cookies, no redirects, no proxy from the environment, and never an ``Origin`` header: ComfyUI refuses foreign ones (403).
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from backend.comfyui.errors import ComfyUIRefused, ComfyUISilent, ComfyUIUnreachable, RequestTooLarge
from backend.kit.redact import redact_url
from backend.version import VERSION

if TYPE_CHECKING:
    import httpx2

_MAX_CONNECTIONS = 32
_OFF_THE_LOOP_BYTES = 262_144  # parsing more than this would hold up the event loop for milliseconds


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection, and for the next byte; ComfyUI is slow to answer while it loads a model."""

    connect_s: float = 5.0
    idle_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with its whole body."""

    status: int
    media_type: str
    body: bytes = field(repr=False)

    async def document(self) -> object:
        """Return the body as JSON; None when it is none. A large one is read off the event loop."""
        if len(self.body) > _OFF_THE_LOOP_BYTES:
            return await asyncio.to_thread(_parse, self.body)
        return _parse(self.body)


class Wire:
    """Hold the connections to *url*; they are opened at the first question.

    Args:
        headers: Sent with every request, for a ComfyUI behind a door of its own; may hold a secret.
        cafile: Authority to trust beside those of the system.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        cafile: str | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {name: value for name, value in (headers or {}).items() if name.lower() != "origin"}
        self._timeouts = timeouts or Timeouts()
        self._cafile = cafile
        self._http: httpx2.AsyncClient | None = None
        self._opening = asyncio.Lock()
        self.name = redact_url(self._url)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Reply:
        """Return the answer, whatever its status; *body* is sent as JSON.

        Raises:
            ComfyUIUnreachable: No connection, or one that broke.
            ComfyUISilent: Connected, but no answer in time.
        Cancelled: the connection is closed.
        """
        http = await self._opened()
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        with self._named():
            response = await http.request(
                method, path, params=query, content=content, files=files, data=form, headers=_json(body)
            )
        return Reply(response.status_code, _media_type(response), response.content)

    async def json(
        self, method: str, path: str, *, query: Mapping[str, str | int] | None = None, body: object = None
    ) -> object:
        """Return the JSON of an answer 200.

        Raises:
            ComfyUIRefused: Another status, or no JSON.
        """
        reply = await self.ask(method, path, query=query, body=body)
        document = await reply.document() if reply.status == 200 else None
        if document is None and reply.body.strip() != b"null":
            raise self.refused(reply.status, path)
        return document

    async def tell(self, method: str, path: str, body: object) -> None:
        """Send *body* as JSON to a route that answers without saying anything.

        Raises:
            ComfyUIRefused: Any other status than 2xx.
        """
        reply = await self.ask(method, path, body=body)
        if not 200 <= reply.status < 300:
            raise self.refused(reply.status, path)

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str | int], headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[httpx2.Response]:
        """Open the answer to a GET without reading its body."""
        http = await self._opened()
        with self._named():
            async with http.stream("GET", path, params=query, headers=dict(headers or {})) as response:
                yield response

    def refused(self, status: int, path: str) -> ComfyUIRefused | RequestTooLarge:
        """Return the error for an answer that nothing else explains."""
        if status == 413:
            return RequestTooLarge(f"The request is longer than ComfyUI at {self.name} allows.")
        return ComfyUIRefused(
            f"ComfyUI at {self.name} answers {status} to {path}.", details={"status": status, "path": path}
        )

    async def aclose(self) -> None:
        """Close the connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _opened(self) -> httpx2.AsyncClient:
        if self._http is not None:
            return self._http
        async with self._opening:
            if self._http is None:
                self._http = await asyncio.to_thread(self._open)
            return self._http

    def _open(self) -> httpx2.AsyncClient:
        """Make the client; blocking: it imports a library and, for https, reads certificates."""
        from http.cookiejar import CookieJar, DefaultCookiePolicy

        import httpx2

        return httpx2.AsyncClient(
            base_url=self._url,
            verify=tls_context(self._cafile) if urlsplit(self._url).scheme == "https" else False,
            timeout=httpx2.Timeout(self._timeouts.idle_s, connect=self._timeouts.connect_s),
            limits=httpx2.Limits(max_connections=_MAX_CONNECTIONS),
            headers={"User-Agent": f"Hearth/{VERSION}", "Accept-Encoding": "identity", **self._headers},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        )

    def _named(self) -> _NamedFailures:
        return _NamedFailures(self.name)


class _NamedFailures:
    """Turn the library's exceptions into those of this package."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        import httpx2

        if isinstance(error, (httpx2.ConnectTimeout, httpx2.PoolTimeout)):
            raise ComfyUIUnreachable(f"ComfyUI at {self._name} cannot be reached in time.") from None
        if isinstance(error, httpx2.TimeoutException):
            raise ComfyUISilent(f"ComfyUI at {self._name} does not answer in time.") from None
        if isinstance(error, (httpx2.HTTPError, httpx2.InvalidURL)):
            reason = type(error).__name__
            raise ComfyUIUnreachable(f"ComfyUI at {self._name} cannot be reached ({reason}).") from None


def tls_context(cafile: str | None) -> ssl.SSLContext:
    """Trust the system's authorities, those of certifi, and *cafile*; blocking."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if cafile is not None:
        context.load_verify_locations(cafile)
    return context


def _parse(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _json(body: object) -> dict[str, str]:
    return {} if body is None else {"Content-Type": "application/json"}


def _media_type(response: httpx2.Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()
