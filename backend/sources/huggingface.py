"""Hugging Face: the hub's headers give commit, size and sha256 before the first byte is fetched.

``HEAD {endpoint}/{repo}/resolve/{revision}/{path}`` answers ``X-Repo-Commit`` and, for files kept by LFS or Xet,
``X-Linked-Size`` and ``X-Linked-Etag`` (the sha256), then redirects to a signed address with a short life. The transfer
begins at the resolve address with the commit in place of the branch, so a resume never mixes two commits.

Source: huggingface.co/docs/hub, and the headers that ``huggingface_hub`` relies on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote, unquote

from backend.logs import get_logger
from backend.sources.addresses import host_key, last_segment, origin
from backend.sources.base import FileRef, RemoteFile, Source
from backend.sources.client import Answer
from backend.sources.errors import (
    FileGone,
    GatedLicenceNotAccepted,
    GatedNoToken,
    HostFailed,
    RemoteFileNotFound,
    SourceError,
    TokenInvalid,
    TokenLacksScope,
    UnsupportedAddress,
)
from backend.sources.refusals import refusal

log = get_logger(__name__)

_PUBLIC = "https://huggingface.co"
_TOKEN_PAGE = f"{_PUBLIC}/settings/tokens"
_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
_FILE = re.compile(
    r"^/(?P<repo>(?:(?:datasets|spaces)/)?[\w.-]+(?:/[\w.-]+)?)/(?:resolve|blob|raw)"
    r"/(?P<revision>refs(?:/|%2F)\w+(?:/|%2F)[^/]+|[^/]+)/(?P<path>.+)$",
    re.IGNORECASE,
)
_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_COMMIT = re.compile(r"^[0-9a-f]{40}$")
_MAX_HOPS = 5


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file in a repository; ``revision`` and ``path`` are percent-encoded as they stand in the address."""

    repo: str
    revision: str
    path: str
    wanted: FileRef

    @property
    def page(self) -> str:
        """The page for people, where terms are accepted."""
        return f"{_PUBLIC}/{self.repo}"

    def at(self, endpoint: str, commit: str | None = None) -> str:
        """Return the address of the bytes."""
        return f"{endpoint}/{self.repo}/resolve/{commit or self.revision}/{self.path}"


class HuggingFace(Source[HubFile]):
    """Serve addresses of huggingface.co, and of the endpoint itself, through the endpoint."""

    public_host: ClassVar[str] = "huggingface.co"

    def detect(self, ref: FileRef) -> HubFile | None:
        """Recognise resolve addresses; pages of a file (``blob``) and LFS pointers (``raw``) mean the file itself."""
        if host_key(ref.url) not in _HOSTS and not self.owns(ref.url):
            return None
        place = self._place(ref)
        if place is None:
            raise UnsupportedAddress(
                "The address names no file on Hugging Face.",
                hint="Open “Files and versions” of the repository and copy the address of the file's download button.",
            )
        return place

    async def resolve(self, place: HubFile) -> RemoteFile:
        """Ask the hub with a HEAD request; a token that has become invalid does not stop public files."""
        try:
            return await self._resolve(place, self._authorization())
        except TokenInvalid:
            try:
                file = await self._resolve(place, {})
            except SourceError:
                # Not public, or worse: then it is the token that matters.
                pass
            else:
                log.warning("token_refused_by_hub", host=self.public_host)
                return file
            raise

    async def account(self, token: str) -> str:
        """Ask ``/api/whoami-v2``."""
        return await self._account(f"{self._endpoint}/api/whoami-v2", token, "name")

    def explain(self, answer: Answer) -> SourceError:
        """Name the hub's refusals by ``X-Error-Code`` and ``X-Error-Message``."""
        place = self._place(FileRef(answer.url))
        code = answer.headers.get("x-error-code", "")
        said = (answer.headers.get("x-error-message") or answer.text[:2000]).lower()
        if code == "GatedRepo" and place is not None:
            return self._gated(answer.status, said, place)
        if answer.status == 401 and "invalid credentials" in said:
            return self._bad_token()
        if code in ("RepoNotFound", "RevisionNotFound", "EntryNotFound"):
            return self._missing(code, place)
        if answer.status == 403 and "is disabled" in said:
            return FileGone("Hugging Face has disabled this repository.")
        return refusal(answer, self.public_host, has_token=self._token() is not None)

    async def _resolve(self, place: HubFile, headers: dict[str, str]) -> RemoteFile:
        pinned, hub, last = await self._ask(place, headers)
        commit = hub.headers.get("x-repo-commit")
        if commit is None and last.status == 200 and last.content_type == "text/html":
            # A captive portal, or a mirror that is none.
            raise self.explain(last)
        etag = hub.headers.get("x-linked-etag", "").strip('W/"').lower()
        sha256 = etag if _SHA256.match(etag) else None
        size = hub.headers.get("x-linked-size") or (last.headers.get("content-length") if last.status == 200 else None)
        content = f"sha256:{sha256}" if sha256 else commit or pinned.revision
        return RemoteFile(
            url=pinned.at(self._endpoint, commit),
            identity=f"huggingface:{pinned.repo}/{pinned.path}@{content}",
            filename=last_segment(pinned.path),
            size_bytes=int(size) if size and size.isdigit() else place.wanted.size_bytes,
            sha256=sha256 or place.wanted.sha256,
            revision=commit,
            content_addressed=sha256 is not None,
            headers=headers,
        )

    async def _ask(self, place: HubFile, headers: dict[str, str]) -> tuple[HubFile, Answer, Answer]:
        """Follow the hub's own redirects (renamed repositories, its cache of small files), but no others.

        Returns:
            The file under its present name, the answer that tells about it, and the last answer.
        """
        url, present, hub = place.at(self._endpoint), place, None
        for _ in range(_MAX_HOPS):
            answer = await self._client.ask("HEAD", url, headers)
            if answer.status >= 400:
                raise self.explain(answer)
            if "x-repo-commit" in answer.headers and hub is None:
                hub, present = answer, self._place(FileRef(url)) or place
            target = answer.location
            if target is None or origin(target) != origin(self._endpoint):
                return present, hub or answer, answer
            url = target
        raise HostFailed("Hugging Face redirects in circles.")

    def _place(self, ref: FileRef) -> HubFile | None:
        match = _FILE.match(self._path(ref.url))
        if match is None:
            return None
        # A commit in the address is exact already: a branch given beside it would only loosen it.
        given = None if _COMMIT.match(match["revision"]) else ref.revision
        revision = quote(given, safe="") if given else match["revision"].replace("/", "%2F")
        return HubFile(match["repo"], revision, quote(unquote(match["path"]), safe="/!$&'()*+,;=:@~"), ref)

    def _gated(self, status: int, said: str, place: HubFile) -> SourceError:
        page, details = place.page, {"page": place.page}
        if status == 401:
            if self._token() is not None:
                return self._bad_token()
            return GatedNoToken(
                f"{place.repo} is gated: Hugging Face wants to know who asks.",
                hint=f"Accept the terms at {page}, make a token at {_TOKEN_PAGE} and store it under Settings → Tokens.",
                details=details,
                waits_for=self.public_host,
            )
        if "fine-grained" in said:
            return TokenLacksScope(
                f"The token may not read gated repositories such as {place.repo}.",
                hint=f"Switch on “public gated repositories” for the token at {_TOKEN_PAGE}.",
                details=details,
                waits_for=self.public_host,
            )
        if "awaiting" in said:
            return GatedLicenceNotAccepted(
                f"The authors of {place.repo} have not yet decided on your request for access.",
                hint=f"Wait for their answer; {page} shows it.",
                details=details,
                waits_for=self.public_host,
            )
        return GatedLicenceNotAccepted(
            f"The account of the token has not accepted the terms of {place.repo}.",
            hint=f"Accept them at {page}, then try again.",
            details=details,
            waits_for=self.public_host,
        )

    def _bad_token(self) -> SourceError:
        return TokenInvalid(
            "Hugging Face does not know the token.",
            hint=f"Make a new one at {_TOKEN_PAGE} and store it under Settings → Tokens.",
            waits_for=self.public_host,
        )

    def _missing(self, code: str, place: HubFile | None) -> SourceError:
        repo = "The repository" if place is None else place.repo
        if code == "EntryNotFound":
            return RemoteFileNotFound(f"{repo} has no such file.", details={"missing": "file"})
        if code == "RevisionNotFound":
            return RemoteFileNotFound(f"{repo} has no such branch, tag or commit.", details={"missing": "revision"})
        hint = None if self._token() else "Check the address. If the repository is private, store a token first."
        return RemoteFileNotFound(
            f"{repo} does not exist on Hugging Face, or is private.", hint=hint, details={"missing": "repository"}
        )
