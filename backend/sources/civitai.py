"""Civitai: its version API gives name, size and sha256; its download address redirects to a signed one.

``GET {endpoint}/api/v1/model-versions/{id}`` lists files with ``hashes.SHA256``, ``sizeKB`` and ``metadata``.
``GET {endpoint}/api/download/models/{id}`` redirects; HEAD is refused. Files whose creator asks for a login answer 401, or
redirect to a login page that has status 200. The token goes into the header of the API host only: the delivery network
refuses any Authorization.

Source: developer.civitai.com; github.com/civitai/civitai/issues/811 (header), ComfyUI-Lora-Manager#897 (civitai.red).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast
from urllib.parse import parse_qsl, urlsplit

from backend.sources.addresses import host_key, origin
from backend.sources.base import FileRef, RemoteFile, Source
from backend.sources.client import Answer
from backend.sources.errors import (
    AccessDenied,
    GatedNoToken,
    RemoteFileNotFound,
    SourceError,
    TokenInvalid,
    UnsupportedAddress,
)
from backend.sources.filenames import suggested_name
from backend.sources.refusals import refusal

_PUBLIC = "https://civitai.com"
_SITES = {host: f"https://{host}" for host in ("civitai.com", "civitai.red", "civitai.green")}
_TOKEN_PAGE = f"{_PUBLIC}/user/account"
_VERSION = re.compile(r"^/(?:api/download/models|api/v1/model-versions|model-versions)/(\d+)/?$")
_MODEL = re.compile(r"^/models/(\d+)(?:/[^/]*)?/?$")
_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_CHOICE = ("type", "format", "size", "fp")
_API_BYTES = 4 * 1024**2
_REFUSAL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of a model on one of the sites; ``version_id`` is None when only the model is named."""

    site: str
    version_id: int | None
    model_id: int | None
    query: str
    wanted: FileRef

    @property
    def choice(self) -> dict[str, str]:
        """What the address says about which file of the version is meant."""
        return {name: value for name, value in parse_qsl(self.query) if name in _CHOICE}


class Civitai(Source[ModelVersion]):
    """Serve addresses of civitai.com and its sisters, through the endpoint when that is another site."""

    public_host: ClassVar[str] = "civitai.com"

    def detect(self, ref: FileRef) -> ModelVersion | None:
        """Recognise download addresses, version addresses and the pages of models."""
        host = host_key(ref.url).removeprefix("www.")
        if host not in _SITES and not self.owns(ref.url):
            return None
        site = _SITES.get(host, self._endpoint) if self._endpoint == _PUBLIC else self._endpoint
        parts = urlsplit(ref.url)
        path = self._path(ref.url)
        if version := _VERSION.match(path):
            return ModelVersion(site, int(version[1]), None, parts.query, ref)
        if model := _MODEL.match(path):
            chosen = dict(parse_qsl(parts.query)).get("modelVersionId", "")
            return ModelVersion(site, int(chosen) if chosen.isdigit() else None, int(model[1]), "", ref)
        raise UnsupportedAddress(
            "The address names no model version on Civitai.",
            hint="Copy the address of the model's page, or of its download button.",
        )

    async def resolve(self, place: ModelVersion) -> RemoteFile:
        """Ask the version API about the file, then look where the download leads without following it."""
        version_id = place.version_id or await self._newest_version(place)
        version = await self._api(f"{place.site}/api/v1/model-versions/{version_id}")
        file = _chosen_file(version, place.choice)
        query = "&".join(f"{name}={value}" for name, value in place.choice.items())
        url = f"{place.site}/api/download/models/{version_id}{'?' + query if query else ''}"
        location = await self._look(url)
        sha256 = _sha256(file)
        return RemoteFile(
            url=url,
            identity=f"civitai:{version_id}" + (f"@sha256:{sha256}" if sha256 else f"?{query}"),
            filename=suggested_name(None, _text(file.get("name"))) or _name_in(location),
            size_bytes=_size_bytes(file) or place.wanted.size_bytes,
            sha256=sha256 or place.wanted.sha256,
            revision=str(version_id),
            content_addressed=sha256 is not None,
            headers=self._authorization(),
        )

    async def account(self, token: str) -> str:
        """Ask ``/api/v1/me``."""
        return await self._account(f"{self._endpoint}/api/v1/me", token, "username")

    def owns(self, url: str) -> bool:
        """Own the endpoint and, when it is the usual one, its sister sites."""
        return super().owns(url) or (self._endpoint == _PUBLIC and origin(url) in map(origin, _SITES.values()))

    def explain(self, answer: Answer) -> SourceError:
        """Tell a missing login, a bad token and early access apart."""
        said, has_token = answer.text.lower(), self._token() is not None
        if "early access" in said and answer.status in (401, 403):
            return AccessDenied(
                "This file is in early access on Civitai.",
                hint="Buy access on the model's page, or wait until it becomes public.",
            )
        if answer.status == 401 and has_token and "logged in" not in said:
            return TokenInvalid(
                "Civitai does not know the token.",
                hint=f"Make a new API key at {_TOKEN_PAGE} and store it under Settings → Tokens.",
                waits_for=self.public_host,
            )
        if answer.status == 401 or (answer.status < 400 and _is_login(answer)):
            return self._needs_login()
        return refusal(answer, self.public_host, has_token=has_token)

    async def _newest_version(self, place: ModelVersion) -> int:
        model = await self._api(f"{place.site}/api/v1/models/{place.model_id}")
        for version in _objects(model.get("modelVersions")):
            if isinstance(number := version.get("id"), int):
                return number
        raise RemoteFileNotFound("This model has no version on Civitai.")

    async def _api(self, url: str) -> dict[str, object]:
        answer = await self._client.ask("GET", url, self._authorization(), limit_bytes=_API_BYTES)
        if answer.status == 404:
            raise RemoteFileNotFound("Civitai has no such model version.")
        if answer.status != 200:
            raise self.explain(answer)
        return answer.json_object()

    async def _look(self, url: str) -> str | None:
        """Ask for the download and drop the answer before its body: HEAD is refused here.

        Returns:
            The address that it leads to, if it leads anywhere.
        """
        answer = await self._client.ask("GET", url, self._authorization(), limit_bytes=_REFUSAL_BYTES)
        if answer.status >= 400 or _is_login(answer):
            raise self.explain(answer)
        return answer.location

    def _needs_login(self) -> SourceError:
        return GatedNoToken(
            "Civitai gives this file only to people who are logged in.",
            hint=f"Make an API key at {_TOKEN_PAGE} and store it under Settings → Tokens.",
            waits_for=self.public_host,
        )


def _is_login(answer: Answer) -> bool:
    """Recognise the login page, or the way to it."""
    if answer.location is not None:
        return urlsplit(answer.location).path.startswith("/login")
    return answer.status == 200 and answer.content_type == "text/html"


def _chosen_file(version: Mapping[str, object], choice: Mapping[str, str]) -> Mapping[str, object]:
    files = _objects(version.get("files"))
    for file in files:
        facts = {"type": file.get("type"), **_object(file.get("metadata"))}
        if choice and all(str(facts.get(name)).lower() == value.lower() for name, value in choice.items()):
            return file
    primary = [file for file in files if file.get("primary") is True]
    return (primary or files or [{}])[0]


def _sha256(file: Mapping[str, object]) -> str | None:
    value = str(_object(file.get("hashes")).get("SHA256", "")).lower()
    return value if _SHA256.match(value) else None


def _size_bytes(file: Mapping[str, object]) -> int | None:
    """``sizeKB`` is bytes / 1024 with all its decimals; a rounded one would be a wrong promise and is left out."""
    value = file.get("sizeKB")
    if not isinstance(value, (int, float)) or value <= 0:
        return None
    size = value * 1024
    return round(size) if abs(size - round(size)) < 0.01 else None


def _name_in(location: str | None) -> str | None:
    query = dict(parse_qsl(urlsplit(location or "").query))
    return suggested_name(query.get("response-content-disposition"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _objects(value: object) -> list[Mapping[str, object]]:
    return [_object(each) for each in cast("list[object]", value)] if isinstance(value, list) else []
