"""A Civitai: model-version API, downloads that redirect to a signed delivery network, a login page with status 200.

with Civitai() as civitai:
    civitai.add(123, "paint.safetensors", Content.safetensors(5_000_000), model_id=7)
    civitai.add(124, "early.safetensors", content, login=True)          # needs a token
    civitai.add(125, …, early_access=True, model_id=8)                  # 403 even with one
    token = civitai.account("ada")
    civitai.endpoint; civitai.url(123); civitai.public_url(123); civitai.site; civitai.cdn.host

Fixture: ``civitai``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.fakes.content import Content
from tests.fakes.exchange import Exchange, Reply
from tests.fakes.faults import LOGIN_PAGE, Fault
from tests.fakes.model_host import ModelHost
from tests.fakes.signed import SignedStore
from tests.secret_watch import secret


@dataclass
class _File:
    name: str
    content: Content
    metadata: dict[str, str]


@dataclass
class _Version:
    model_id: int
    login: bool
    early_access: bool
    files: list[_File] = field(default_factory=list[_File])


class Civitai:
    """Serve model versions as civitai.com does.

    Args:
        login_as_page: What an anonymous request of a file that needs a login gets: a login page with status 200 (true), or
            401 with JSON.
    """

    def __init__(self, *, tls: bool = False, lifetime_s: float = 3600, login_as_page: bool = True) -> None:
        self.site = ModelHost(tls=tls)
        self.cdn = SignedStore(tls=tls, lifetime_s=lifetime_s)
        self.cafile = self.site.cafile
        self.login_as_page = login_as_page
        self._versions: dict[int, _Version] = {}
        self._accounts: dict[str, str] = {}
        self.site.handle("/api/download/models/", self._download)
        self.site.handle("/api/v1/model-versions/", self._version)
        self.site.handle("/api/v1/models/", self._model)
        self.site.handle("/api/v1/me", self._me)
        self.site.handle("/login", lambda _exchange: Reply.text(200, LOGIN_PAGE, "text/html"))

    @property
    def endpoint(self) -> str:
        """The value of CIVITAI_ENDPOINT."""
        return self.site.origin

    def add(
        self,
        version_id: int,
        name: str,
        content: Content,
        *,
        model_id: int = 1,
        login: bool = False,
        early_access: bool = False,
        metadata: dict[str, str] | None = None,
        faults: Sequence[Fault] = (),
    ) -> str:
        """Add a file to a version, the first one being its primary; return the download address on the endpoint."""
        version = self._versions.setdefault(version_id, _Version(model_id, login, early_access))
        version.files.append(_File(name, content, metadata or {"format": "SafeTensor", "size": "full", "fp": "fp16"}))
        self.cdn.put(f"/model/{content.sha256}", content, *faults)
        return self.url(version_id)

    def url(self, version_id: int, query: str = "") -> str:
        """Return the download address on the endpoint."""
        return f"{self.endpoint}/api/download/models/{version_id}{query}"

    def public_url(self, version_id: int, query: str = "") -> str:
        """Return the download address as people copy it."""
        return f"https://civitai.com/api/download/models/{version_id}{query}"

    def account(self, name: str) -> str:
        """Make an account and return its token."""
        token = secret(f"civitai token of {name}")
        self._accounts[token] = name
        return token

    def close(self) -> None:
        """Stop both servers."""
        self.site.close()
        self.cdn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        self.close()

    def _who(self, exchange: Exchange) -> str | None:
        token = exchange.seen.token or exchange.seen.query.get("token", "")
        return self._accounts.get(token)

    def _me(self, exchange: Exchange) -> Reply:
        name = self._who(exchange)
        if name is None:
            return _json(401, {"error": "Unauthorized"})
        return _json(200, {"id": 1, "username": name, "tier": "free"})

    def _model(self, exchange: Exchange) -> Reply:
        model_id = int(exchange.seen.route.rpartition("/")[2])
        versions = [{"id": number} for number, version in self._versions.items() if version.model_id == model_id]
        if not versions:
            return _json(404, {"error": f"No model with id {model_id}"})
        return _json(200, {"id": model_id, "modelVersions": versions[::-1]})

    def _version(self, exchange: Exchange) -> Reply:
        number = int(exchange.seen.route.rpartition("/")[2])
        version = self._versions.get(number)
        if version is None:
            return _json(404, {"error": f"No model version with id {number}"})
        files = [
            {
                "id": number * 10 + index,
                "name": file.name,
                "type": "Model",
                "primary": index == 0,
                "sizeKB": file.content.size / 1024,
                "metadata": file.metadata,
                "hashes": {"SHA256": file.content.sha256.upper(), "AutoV2": file.content.sha256[:10].upper()},
                "downloadUrl": self.public_url(number),
            }
            for index, file in enumerate(version.files)
        ]
        availability = "EarlyAccess" if version.early_access else "Public"
        return _json(200, {"id": number, "modelId": version.model_id, "availability": availability, "files": files})

    def _download(self, exchange: Exchange) -> Reply:
        seen = exchange.seen
        if seen.method == "HEAD":
            return _json(401 if seen.token is None else 405, {"error": "Method not allowed"})
        version = self._versions.get(int(seen.route.rpartition("/")[2]))
        if version is None:
            return _json(404, {"error": "File not found"})
        sent_token = seen.token or seen.query.get("token")
        if sent_token is not None and self._who(exchange) is None:
            return _json(401, {"error": "Unauthorized", "message": "Invalid API key"})
        if version.login and sent_token is None:
            if self.login_as_page:
                return Reply.redirect(f"/login?returnUrl=/models/{version.model_id}", 307)
            message = "The creator of this asset requires you to be logged in to download it"
            return _json(401, {"error": "Unauthorized", "message": message})
        if version.early_access:
            return _json(403, {"error": "Forbidden", "message": "This asset is in Early Access"})
        file = _chosen(version, seen.query)
        disposition = f"attachment%3B%20filename%3D%22{file.name}%22"
        location = self.cdn.sign(f"/model/{file.content.sha256}", response_content_disposition=disposition)
        return Reply.redirect(location, 307)


def _chosen(version: _Version, query: dict[str, str]) -> _File:
    wanted = {name: query[name] for name in ("format", "size", "fp") if name in query}
    return next((file for file in version.files if wanted.items() <= file.metadata.items()), version.files[0])


def _json(status: int, document: object) -> Reply:
    return Reply.text(status, json.dumps(document), "application/json")
