"""All sources behind one door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backend.errors import HearthError
from backend.sources.addresses import checked_url, host_key
from backend.sources.base import FileRef, RemoteFile
from backend.sources.civitai import Civitai
from backend.sources.client import Answer, Client, lower_case
from backend.sources.errors import TokenCheckUnsupported
from backend.sources.fetch import fetch_bytes
from backend.sources.github import GitHub
from backend.sources.http import Http
from backend.sources.huggingface import HuggingFace
from backend.sources.tokens import Tokens


class Sources:
    """Find files wherever they are said to be.

    Args:
        hf_endpoint: Hub or mirror that serves addresses of huggingface.co.
        civitai_endpoint: Site that serves addresses of civitai.com.
        github_endpoint: Site that serves addresses of github.com.
        tokens: Asked at every resolve, so a changed token counts at once; learns here how to check one.
        cafile: One more certificate authority to trust, as a PEM file.
    """

    def __init__(
        self,
        *,
        hf_endpoint: str,
        civitai_endpoint: str,
        github_endpoint: str,
        tokens: Tokens,
        cafile: str | None = None,
    ) -> None:
        self._cafile = cafile
        self._client = Client(cafile)
        self._hub = HuggingFace(hf_endpoint, tokens, self._client)
        self._civitai = Civitai(civitai_endpoint, tokens, self._client)
        self._github = GitHub(github_endpoint, tokens, self._client)
        self._http = Http(tokens, self._client)
        known = (self._hub, self._civitai, self._github)
        tokens.serve(self._account, {host_key(each.endpoint): each.public_host for each in known})

    async def resolve(self, ref: FileRef) -> RemoteFile:
        """Find out where *ref* is, how large it is and what it must hash to, without its body.

        Raises:
            SourceError: Why it cannot be had; ``waits_for`` names the host whose token or licence would help.
        Cancelled: nothing is left behind.
        """
        wanted = replace(ref, url=checked_url(ref.url), sha256=ref.sha256.lower() if ref.sha256 else None)
        for source in (self._hub, self._civitai, self._github):
            file = await source.find(wanted)
            if file is not None:
                return file
        return await self._http.resolve(wanted)

    def explain(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> HearthError:
        """Name an answer that was met during a transfer: 400 or more, or a web page where a file should be.

        Args:
            url: The address that gave the answer, which may be a delivery network's.
        """
        answer = Answer(url, status, lower_case(headers), body)
        for source in (self._hub, self._civitai, self._github):
            if source.owns(url):
                return source.explain(answer)
        return self._http.explain(answer)

    async def fetch_bytes(self, url: str, limit_bytes: int) -> bytes:
        """Return the small document at *url*.

        Raises:
            SourceError: It cannot be had, or is larger than *limit_bytes*.
        """
        return await fetch_bytes(url, limit_bytes, cafile=self._cafile)

    async def aclose(self) -> None:
        """Close the connections that are kept open."""
        await self._client.aclose()

    async def _account(self, host: str, token: str) -> str:
        for source in (self._hub, self._civitai, self._github):
            if host in (source.public_host, host_key(source.endpoint)):
                return await source.account(token)
        raise TokenCheckUnsupported(f"{host} cannot be asked whose token it is.")
