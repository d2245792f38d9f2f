"""Fetch one small document over HTTP(S), bounded in bytes and time.

For catalogues and the like; model files go through the transfer engine. No token is ever sent from here.
"""

from __future__ import annotations

import asyncio

from backend.sources.addresses import checked_url, is_forbidden_address
from backend.sources.client import USER_AGENT, tls_context
from backend.sources.errors import FetchFailed

_MAX_REDIRECTS = 5
_CONNECT_S = 10.0
_IDLE_S = 20.0
_TOTAL_S = 120.0


async def fetch_bytes(url: str, limit_bytes: int, *, cafile: str | None = None) -> bytes:
    """Return what *url* answers, after at most five redirects, never from https down to http.

    Raises:
        FetchFailed: Unreachable, too slow, not 200, too large, or redirected to an insecure place.
        SourceError: The address is not one that may be asked.
    """
    import httpx2

    address = checked_url(url)
    try:
        async with asyncio.timeout(_TOTAL_S):
            return await _fetch(address, limit_bytes, cafile)
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

    async def refuse_forbidden(request: httpx2.Request) -> None:
        """Look at every hop before it is asked."""
        if is_forbidden_address(request.url.host):
            raise FetchFailed("The host redirects to a metadata service, which is never asked.")

    async with (
        httpx2.AsyncClient(
            verify=await asyncio.to_thread(tls_context, cafile),
            timeout=httpx2.Timeout(_IDLE_S, connect=_CONNECT_S),
            headers={"User-Agent": USER_AGENT},
            follow_redirects=True,
            max_redirects=_MAX_REDIRECTS,
            event_hooks={"request": [refuse_forbidden]},
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
