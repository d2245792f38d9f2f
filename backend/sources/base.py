"""What every source has in common: a reference comes in, a place to fetch bytes from goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FileRef:
    """What somebody wants: an address, and what they already know about the file behind it.

    ``revision`` is a commit or tag that wins over the one in the address; ``sha256`` is 64 lower-case hex digits.
    """

    url: str
    revision: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """What a source made of a reference.

    Args:
        url: Where the transfer begins; the commit is pinned and no secret is in it.
        identity: Stable name of the content for the state file: the same after a restart, on every mirror, for every
            signature. Two contents never share one.
        content_addressed: The source vouches for ``sha256``, so differing validators of its nodes do not matter.
        headers: To be sent to the origin of ``url`` only, never across a redirect to another one; may hold a token.
    """

    url: str
    identity: str
    filename: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    revision: str | None = None
    content_addressed: bool = False
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a host without its meaning; header names are lower case, ``body`` is at most a few kilobytes."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Source(Protocol):
    """One kind of place.

    A source recognises its addresses without asking anybody (``detect``), asks its host once about one file
    (``resolve``), and names the refusals of its host (``explain``).
    """

    token_host: str | None

    def detect(self, url: str) -> bool:
        """Tell whether *url* is an address of this source."""
        ...

    async def resolve(self, ref: FileRef) -> RemoteFile:
        """Find the file; SourceError says why not."""
        ...

    def explain(self, answer: Answer) -> Exception:
        """Name the refusal."""
        ...

    async def account(self, token: str) -> str:
        """Ask the host whose token this is."""
        ...
