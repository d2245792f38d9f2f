"""GitHub releases: the download address redirects to a signed one; the API adds size and, for newer assets, sha256.

Without a token the API answers 60 questions an hour, so everything that it adds is taken when it comes and done without
when it does not. Assets of private repositories exist in the API only and are fetched from there.

Source: docs.github.com/rest/releases (``digest`` since June 2025); on other hosts than github.com the API lives below
``/api/v3`` (GitHub Enterprise Server).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast
from urllib.parse import quote, unquote

from backend.kit.clock import utc_now
from backend.logs import get_logger
from backend.sources.addresses import host_key, origin
from backend.sources.base import FileRef, RemoteFile, Source
from backend.sources.client import Answer
from backend.sources.errors import (
    HostFailed,
    RateLimited,
    RemoteFileNotFound,
    SourceError,
    UnsupportedAddress,
)
from backend.sources.refusals import refusal

log = get_logger(__name__)

_PUBLIC = "https://github.com"
_PUBLIC_API = "https://api.github.com"
_HOSTS = frozenset({"github.com", "www.github.com"})
_ASSET = re.compile(
    r"^/(?P<repo>[\w.-]+/[\w.-]+)/releases/(?:download/(?P<tag>[^/]+)|latest/download)/(?P<name>[^/]+)$"
)
_PATH = re.compile(r"^/(?P<repo>[\w.-]+/[\w.-]+)/(?:blob|raw)/(?P<path>.+)$")
_DIGEST = re.compile(r"^sha256:([0-9a-f]{64})$")
_API_BYTES = 8 * 1024**2
_MAX_HOPS = 5


@dataclass(frozen=True, slots=True)
class ReleaseAsset:
    """An asset of a release (``tag`` None is the latest), or a file of a repository at ``path`` (branch included)."""

    repo: str
    tag: str | None
    name: str
    path: str | None
    wanted: FileRef


class GitHub(Source[ReleaseAsset]):
    """Serve addresses of github.com through the endpoint."""

    public_host: ClassVar[str] = "github.com"

    def detect(self, ref: FileRef) -> ReleaseAsset | None:
        """Recognise release assets, and files of a repository, whose pages (``blob``) mean the file itself."""
        if host_key(ref.url) not in _HOSTS and not self.owns(ref.url):
            return None
        path = self._path(ref.url)
        if asset := _ASSET.match(path):
            tag = asset["tag"] if ref.revision is None else quote(ref.revision, safe="")
            return ReleaseAsset(asset["repo"], tag, unquote(asset["name"]), None, ref)
        if file := _PATH.match(path):
            return ReleaseAsset(file["repo"], None, unquote(path.rpartition("/")[2]), file["path"], ref)
        raise UnsupportedAddress(
            "The address names no file on GitHub.",
            hint="Copy the address of an asset on the project's “Releases” page.",
        )

    async def resolve(self, place: ReleaseAsset) -> RemoteFile:
        """Ask the API for the facts and the download address for its word that the asset exists."""
        if place.path is not None:
            return await self._repository_file(place, place.path)
        tag, asset = await self._from_api(place)
        digest = _DIGEST.match(str(asset.get("digest")))
        size, number = asset.get("size"), asset.get("id")
        if self._token() is not None and isinstance(number, int):
            # With a token the API's own address is used: the browser's knows no tokens, so private assets are not there.
            url = f"{self._api}/repos/{place.repo}/releases/assets/{number}"
            headers = {**self._authorization(), "Accept": "application/octet-stream"}
        else:
            url, headers = await self._download_address(place), {}
            tag = tag or self._tag_in(url)
        return RemoteFile(
            url=url,
            identity=f"github:{place.repo}/releases/{tag or 'latest'}/{place.name}",
            filename=place.name,
            size_bytes=size if isinstance(size, int) else place.wanted.size_bytes,
            sha256=digest[1] if digest else place.wanted.sha256,
            revision=tag,
            content_addressed=digest is not None,
            headers=headers,
        )

    async def account(self, token: str) -> str:
        """Ask ``/user``."""
        return await self._account(f"{self._api}/user", token, "login")

    def owns(self, url: str) -> bool:
        """Own the site and its API."""
        return super().owns(url) or origin(url) == origin(self._api)

    def explain(self, answer: Answer) -> SourceError:
        """Tell the API's rate limit from a refusal, and a missing asset from a private one."""
        has_token = self._token() is not None
        if answer.status == 403 and answer.headers.get("x-ratelimit-remaining") == "0":
            reset = answer.headers.get("x-ratelimit-reset", "")
            wait_s = max(0.0, float(reset) - utc_now().timestamp()) if reset.isdigit() else None
            return RateLimited("GitHub has had too many requests from here.", retry_after_s=wait_s)
        if answer.status == 404:
            hint = (
                "Check the address; if the repository is private, check the token too."
                if has_token
                else "Check the address. If the repository is private, store a token first."
            )
            return RemoteFileNotFound("GitHub has no such file, or it is private.", hint=hint)
        return refusal(answer, self.public_host, has_token=has_token)

    @property
    def _api(self) -> str:
        return _PUBLIC_API if self._endpoint == _PUBLIC else f"{self._endpoint}/api/v3"

    async def _from_api(self, place: ReleaseAsset) -> tuple[str | None, Mapping[str, object]]:
        """Return tag and facts of the asset; both empty when the API has no answer to give."""
        which = "latest" if place.tag is None else f"tags/{place.tag}"
        url = f"{self._api}/repos/{place.repo}/releases/{which}"
        headers = {"Accept": "application/vnd.github+json", **self._authorization()}
        try:
            answer = await self._client.ask("GET", url, headers, limit_bytes=_API_BYTES)
            release = answer.json_object() if answer.status == 200 else {}
        except SourceError:
            release = {}
        else:
            if answer.status == 401 and self._token() is not None:
                log.warning("token_refused_by_github", host=self.public_host)
        tag, assets = release.get("tag_name"), release.get("assets")
        found = [_object(each) for each in cast("list[object]", assets)] if isinstance(assets, list) else []
        asset = next((each for each in found if each.get("name") == place.name), _object(None))
        return (tag if isinstance(tag, str) else place.tag), asset

    async def _download_address(self, place: ReleaseAsset) -> str:
        """Return the address below the endpoint that redirects to the store, with ``latest`` replaced by its tag."""
        name = quote(place.name)
        which = "latest/download" if place.tag is None else f"download/{place.tag}"
        return await self._follow(f"{self._endpoint}/{place.repo}/releases/{which}/{name}", {})

    async def _repository_file(self, place: ReleaseAsset, path: str) -> RemoteFile:
        url = f"{self._endpoint}/{place.repo}/raw/{path}"
        await self._follow(url, {})
        return RemoteFile(
            url=url,
            identity=f"github:{place.repo}/raw/{path}",
            filename=place.name,
            size_bytes=place.wanted.size_bytes,
            sha256=place.wanted.sha256,
        )

    def _tag_in(self, url: str) -> str | None:
        match = _ASSET.match(self._path(url))
        return unquote(match["tag"]) if match and match["tag"] else None

    async def _follow(self, url: str, headers: dict[str, str]) -> str:
        """Return the last address on the endpoint that exists."""
        for _ in range(_MAX_HOPS):
            answer = await self._client.ask("HEAD", url, headers)
            if answer.status >= 400:
                raise self.explain(answer)
            target = answer.location
            if target is None or origin(target) != origin(self._endpoint):
                return url
            url = target
        raise HostFailed("GitHub redirects in circles.")


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
