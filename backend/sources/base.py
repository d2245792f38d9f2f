"""What every source has in common: a reference comes in, a place to fetch bytes from goes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar
from urllib.parse import urlsplit

from backend.sources.addresses import host_key, may_carry_token, origin
from backend.sources.client import Answer, Client
from backend.sources.errors import HostFailed, SourceError, TokenInvalid
from backend.sources.tokens import Tokens

Place = TypeVar("Place")


@dataclass(frozen=True, slots=True)
class FileRef:
    """What somebody wants: an address, and what they already know about the file behind it.

    ``revision`` is a branch, tag or commit that wins over the one in the address; ``sha256`` is 64 lower-case hex digits.
    """

    url: str
    revision: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """What a source made of a reference.

    Args:
        url: Where the transfer begins; the commit is pinned and no token is in it.
        identity: Name of the place for the state file: the same after a restart, on every mirror, for every signature.
        filename: A bare file name that the source suggests, without any folder.
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


class Source(ABC, Generic[Place]):
    """One kind of place: recognises its addresses, asks its host about one file, names its host's refusals.

    Args:
        endpoint: Site that serves this source's addresses; the token of ``public_host`` is sent there and nowhere else.
    """

    public_host: ClassVar[str]

    def __init__(self, endpoint: str, tokens: Tokens, client: Client) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._tokens = tokens
        self._client = client

    @property
    def endpoint(self) -> str:
        """The site that is asked."""
        return self._endpoint

    @abstractmethod
    def detect(self, ref: FileRef) -> Place | None:
        """Return what the address means here, or None when it belongs to another source; asks nobody.

        Raises:
            UnsupportedAddress: It belongs here but names no file.
        """

    @abstractmethod
    async def resolve(self, place: Place) -> RemoteFile:
        """Ask the host about the file.

        Raises:
            SourceError: Why it cannot be had.
        """

    @abstractmethod
    async def account(self, token: str) -> str:
        """Send *token* to the host and return the name of its account."""

    async def find(self, ref: FileRef) -> RemoteFile | None:
        """Return the file, or None when the address belongs to another source."""
        place = self.detect(ref)
        return None if place is None else await self.resolve(place)

    def owns(self, url: str) -> bool:
        """Tell whether *url* lies below this source's endpoint."""
        below = urlsplit(self._endpoint).path + "/"
        return origin(url) == origin(self._endpoint) and urlsplit(url).path.startswith(below)

    @abstractmethod
    def explain(self, answer: Answer) -> SourceError:
        """Name a refusal of this source's host."""

    def _token(self) -> str | None:
        """Return the token for the endpoint, if the way there is fit for it."""
        if not may_carry_token(self._endpoint):
            return None
        return self._tokens.get(host_key(self._endpoint)) or self._tokens.get(self.public_host)

    def _path(self, url: str) -> str:
        """Return the path as the public site has it: a mirror may serve it below a path of its own."""
        path = urlsplit(url).path
        return path.removeprefix(urlsplit(self._endpoint).path) if self.owns(url) else path

    def _authorization(self) -> dict[str, str]:
        return authorization(self._token())

    async def _account(self, url: str, token: str, key: str) -> str:
        answer = await self._client.ask("GET", url, authorization(token), limit_bytes=65_536)
        if answer.status in (401, 403):
            raise TokenInvalid(f"{self.public_host} does not know this token.", waits_for=self.public_host)
        if answer.status != 200:
            raise self.explain(answer)
        name = answer.json_object().get(key)
        if not isinstance(name, str):
            raise HostFailed(f"{self.public_host} answers without the name of an account.")
        return name


def authorization(token: str | None) -> dict[str, str]:
    """Return the header that carries *token*, if there is one."""
    return {} if token is None else {"Authorization": f"Bearer {token}"}
