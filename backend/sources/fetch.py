"""Fetch one small document over HTTP(S), bounded in bytes and time.

For catalogues and the like; model files go through the transfer engine. No token is ever sent from here.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import ClassVar

from backend.errors import HearthError

_MAX_REDIRECTS = 5
_CONNECT_S = 10.0
_IDLE_S = 20.0
_TOTAL_S = 120.0


class FetchFailed(HearthError):
    """A document could not be fetched."""

    code: ClassVar[str] = "fetch_failed"
    status: ClassVar[int] = 502
    default_hint: ClassVar[str] = "Check the address and the network, then try again."


async def fetch_bytes(url: str, limit_bytes: int, *, cafile: str | None = None) -> bytes:
    """Return what *url* answers, after at most five redirects, never from https down to http.

    Raises:
        FetchFailed: Unreachable, too slow, not 200, too large, or redirected to an insecure place.
    """
    import httpx2

    try:
        async with asyncio.timeout(_TOTAL_S):
            return await _fetch(url, limit_bytes, cafile)
    except TimeoutError:
        raise FetchFailed(f"The host did not deliver within {_TOTAL_S:.0f} seconds.") from None
    except httpx2.TimeoutException:
        raise FetchFailed("The host does not answer in time.") from None
    except httpx2.TooManyRedirects:
        raise FetchFailed(f"The host redirects more than {_MAX_REDIRECTS} times.") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise FetchFailed(f"The host cannot be reached ({type(error).__name__}).") from None


async def _fetch(url: str, limit_bytes: int, cafile: str | None) -> bytes:
    import httpx2

    context = await asyncio.to_thread(ssl.create_default_context, cafile=cafile)
    timeout = httpx2.Timeout(_IDLE_S, connect=_CONNECT_S)
    async with (
        httpx2.AsyncClient(
            verify=context, timeout=timeout, follow_redirects=True, max_redirects=_MAX_REDIRECTS
        ) as client,
        client.stream("GET", url) as answer,
    ):
        hops = [*answer.history, answer]
        if hops[0].url.scheme == "https" and any(hop.url.scheme != "https" for hop in hops):
            raise FetchFailed("The host redirects from https to http, which anybody on the way could change.")
        if answer.status_code != 200:
            raise FetchFailed(f"The host answers {answer.status_code}.", details={"status": answer.status_code})
        content = bytearray()
        async for chunk in answer.aiter_bytes():
            content += chunk
            if len(content) > limit_bytes:
                raise FetchFailed(f"The answer is larger than {limit_bytes} bytes.")
        return bytes(content)
