"""Any other host: a NAS, a mirror, a bucket with signed addresses. One HEAD request, and only hints are taken from it."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

from backend.sources.addresses import (
    host_key,
    is_forbidden_address,
    last_segment,
    may_carry_token,
    origin,
    without_signature,
)
from backend.sources.base import FileRef, RemoteFile, authorization
from backend.sources.client import Answer, Client
from backend.sources.errors import (
    ForbiddenAddress,
    HostFailed,
    HostSilent,
    SignedAddressRefused,
    SourceError,
    WebPageInsteadOfFile,
)
from backend.sources.filenames import suggested_name
from backend.sources.refusals import refusal
from backend.sources.tokens import Tokens

_MAX_HOPS = 10
_MEANT = frozenset({401, 404, 410, 429, 451})  # the rest of the refusals may concern HEAD alone: GET decides
_PAGES = (".html", ".htm", ".xhtml")


class Http:
    """Take every address that no other source knows; a token kept for exactly its host goes along."""

    def __init__(self, tokens: Tokens, client: Client) -> None:
        self._tokens = tokens
        self._client = client

    async def resolve(self, ref: FileRef) -> RemoteFile:
        """Look at size, name and type as far as the host tells them; a host that knows no HEAD is not an error."""
        headers = self._headers(ref.url)
        answer = await self._look(ref.url, headers)
        size = None
        if answer is not None:
            _refuse_page(ref.url, answer)
            length = answer.headers.get("content-length", "")
            size = int(length) if length.isdigit() and "content-encoding" not in answer.headers else None
        return RemoteFile(
            url=ref.url,
            identity=without_signature(ref.url),
            filename=suggested_name(answer.headers.get("content-disposition") if answer else None)
            or suggested_name(None, last_segment(ref.url)),
            size_bytes=ref.size_bytes if size is None else size,
            sha256=ref.sha256,
            revision=ref.revision,
            headers=headers,
        )

    def explain(self, answer: Answer) -> SourceError:
        """Name a refusal by its status alone."""
        host = host_key(answer.url)
        if answer.status in (400, 401, 403) and answer.url != without_signature(answer.url):
            return SignedAddressRefused(f"{host} does not accept the signed address.", details={"host": host})
        return refusal(answer, host, has_token=bool(self._headers(answer.url)))

    def _headers(self, url: str) -> dict[str, str]:
        return authorization(self._tokens.get(host_key(url)) if may_carry_token(url) else None)

    async def _look(self, url: str, headers: dict[str, str]) -> Answer | None:
        """Ask with HEAD through all redirects; None when the host has no useful answer to that."""
        first = origin(url)
        for _ in range(_MAX_HOPS):
            await _refuse_forbidden(url)
            try:
                answer = await self._client.ask("HEAD", url, headers if origin(url) == first else {})
            except HostSilent:
                return None
            if answer.status in _MEANT:
                raise self.explain(answer)
            target = answer.location
            if target is None:
                return answer if answer.status == 200 else None
            url = target
        raise HostFailed(f"{host_key(url)} redirects in circles.")


async def _refuse_forbidden(url: str) -> None:
    """Look the name up, since any name may lead to a forbidden address; a name that is not known here fails later."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    found = {host}
    try:
        loop = asyncio.get_running_loop()
        found |= {str(each[4][0]) for each in await loop.getaddrinfo(host, parts.port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        pass
    if any(is_forbidden_address(each) for each in found):
        raise ForbiddenAddress("The address leads to a metadata service and is never asked.")


def _refuse_page(url: str, answer: Answer) -> None:
    is_attachment = answer.headers.get("content-disposition", "").lower().startswith("attachment")
    is_page = answer.content_type in ("text/html", "application/xhtml+xml")
    if is_page and not is_attachment and not urlsplit(url).path.lower().endswith(_PAGES):
        raise WebPageInsteadOfFile(f"{host_key(url)} shows a web page at this address, not a file.")
