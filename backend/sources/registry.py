"""All sources behind one door."""

from __future__ import annotations

from collections.abc import Mapping

from backend.errors import HearthError
from backend.sources.base import FileRef, RemoteFile
from backend.sources.fetch import fetch_bytes
from backend.sources.tokens import Tokens


class Sources:
    """Find files wherever they are said to be.

    Args:
        hf_endpoint: Hub or mirror that serves addresses of huggingface.co.
        civitai_endpoint: Site that serves addresses of civitai.com.
        github_endpoint: Site that serves addresses of github.com.
        cafile: Further certificate authority to trust, as a PEM file.
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

    async def resolve(self, ref: FileRef) -> RemoteFile:
        """Find out where *ref* is, how large it is and what it must hash to, without its body."""
        raise NotImplementedError

    def explain(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> HearthError:
        """Name an answer of 400 or more that was met during a transfer."""
        raise NotImplementedError

    async def fetch_bytes(self, url: str, limit_bytes: int) -> bytes:
        """Return the small document at *url*."""
        return await fetch_bytes(url, limit_bytes, cafile=self._cafile)

    async def aclose(self) -> None:
        """Close the connections that are kept open."""
