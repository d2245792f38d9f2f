"""Fetch or send one small document over HTTP(S), bounded in bytes and time.

For catalogues and the like; model files go through the transfer engine. No token is ever sent from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from backend.sources.addresses import checked_url, is_forbidden_address, next_hop
from backend.sources.client import open_http
from backend.sources.errors import FetchFailed

if TYPE_CHECKING:
    import httpx2

_MAX_REDIRECTS = 5
_IDLE_S = 20.0
_TOTAL_S = 120.0
_POST_S = 20.0


async def fetch_bytes(url: str, limit_bytes: int, *, cafile: str | None = None) -> bytes:
    """Return what *url* answers, after at most five redirects, never from https down to http.

    Raises:
        FetchFailed: Unreachable, too slow, not 200, too large, or redirected to an insecure place.
        SourceError: The address is not one that may be asked.
    """
    address = checked_url(url)
    http = await asyncio.to_thread(open_http, cafile, idle_s=_IDLE_S)
    import httpx2

    try:
        async with http, asyncio.timeout(_TOTAL_S):
            return await _fetch(http, address, limit_bytes)
    except TimeoutError:
        raise FetchFailed(f"The host did not deliver within {_TOTAL_S:.0f} seconds.") from None
    except httpx2.TimeoutException:
        raise FetchFailed("The host does not answer in time.") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise FetchFailed(f"The host cannot be reached ({type(error).__name__}).") from None


async def post_bytes(url: str, body: bytes, headers: Mapping[str, str], *, cafile: str | None = None) -> int:
    """Send *body* to *url* and return the status of the answer, which is not read; no redirect is followed.

    Raises:
        FetchFailed: Unreachable, or too slow.
        SourceError: The address is not one that may be asked.
    """
    address = checked_url(url)
    http = await asyncio.to_thread(open_http, cafile, idle_s=_IDLE_S)
    import httpx2

    try:
        async with (
            http,
            asyncio.timeout(_POST_S),
            http.stream("POST", address, content=body, headers=headers) as answer,
        ):
            return answer.status_code
    except (TimeoutError, httpx2.TimeoutException):
        raise FetchFailed("The host does not answer in time.") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise FetchFailed(f"The host cannot be reached ({type(error).__name__}).") from None


async def _fetch(http: httpx2.AsyncClient, url: str, limit_bytes: int) -> bytes:
    for _ in range(_MAX_REDIRECTS + 1):
        async with http.stream("GET", url) as answer:
            if not answer.has_redirect_location:
                return await _body(answer, limit_bytes)
            url = _next_hop(url, answer.headers["location"])
    raise FetchFailed(f"The host redirects more than {_MAX_REDIRECTS} times.")


def _next_hop(url: str, location: str) -> str:
    target = next_hop(url, location)
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise FetchFailed("The host redirects from https to http, which anybody on the way could change.")
    if is_forbidden_address(urlsplit(target).hostname or ""):
        raise FetchFailed("The host redirects to a metadata service, which is never asked.")
    return target


async def _body(answer: httpx2.Response, limit_bytes: int) -> bytes:
    if answer.status_code != 200:
        raise FetchFailed(f"The host answers {answer.status_code}.", details={"status": answer.status_code})
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > limit_bytes:
            raise FetchFailed(f"The answer is larger than {limit_bytes} bytes.")
    return bytes(content)
