"""A GitHub: release downloads that redirect to a signed object store, and the part of its API that knows releases.

    with GitHub() as github:
        github.add("ada/tool", "v1.0", "model.onnx", Content.random(1_000_000))
        github.add("ada/secret", "v1.0", "model.onnx", content, private=True); token = github.account("ada")
        github.endpoint; github.url("ada/tool", "v1.0", "model.onnx"); github.public_url(…); github.site; github.cdn.host

The API lives at ``/api/v3`` as on every GitHub that is not github.com; ``/user`` answers at both places.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tests.fakes.content import Content
from tests.fakes.exchange import Exchange, Reply
from tests.fakes.faults import Fault
from tests.fakes.model_host import ModelHost
from tests.fakes.signed import SignedStore
from tests.secret_watch import secret


@dataclass
class _Asset:
    number: int
    repo: str
    tag: str
    name: str
    content: Content
    private: bool
    digest: bool


class GitHub:
    """Serve release assets as github.com does."""

    def __init__(self, *, tls: bool = False, lifetime_s: float = 3600) -> None:
        self.site = ModelHost(tls=tls)
        self.cdn = SignedStore(tls=tls, lifetime_s=lifetime_s)
        self.cafile = self.site.cafile
        self._assets: list[_Asset] = []
        self._accounts: dict[str, str] = {}
        self.site.handle("/", self._browser)
        self.site.handle("/user", self._user)
        self.site.handle("/api/v3/user", self._user)
        self.site.handle("/api/v3/repos/", self._api)

    @property
    def endpoint(self) -> str:
        """The value of GITHUB_ENDPOINT."""
        return self.site.origin

    def add(
        self,
        repo: str,
        tag: str,
        name: str,
        content: Content,
        *,
        private: bool = False,
        digest: bool = True,
        faults: Sequence[Fault] = (),
    ) -> str:
        """Add an asset, or replace it by a new one of the same name; assets of old releases have no digest."""
        self._assets = [each for each in self._assets if (each.repo, each.tag, each.name) != (repo, tag, name)]
        number = 1000 + len(self._assets) + 100 * content.seed
        self._assets.append(_Asset(number, repo, tag, name, content, private, digest))
        self.cdn.put(f"/asset/{number}", content, *faults)
        return self.url(repo, tag, name)

    def url(self, repo: str, tag: str, name: str) -> str:
        """Return the download address on the endpoint; tag ``latest`` is the newest release."""
        part = f"latest/download/{name}" if tag == "latest" else f"download/{tag}/{name}"
        return f"{self.endpoint}/{repo}/releases/{part}"

    def public_url(self, repo: str, tag: str, name: str) -> str:
        """Return the download address as people copy it."""
        return self.url(repo, tag, name).replace(self.endpoint, "https://github.com")

    def account(self, name: str) -> str:
        """Make an account that may read everything, and return its token."""
        token = secret(f"github token of {name}", prefix="ghp_")
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

    def _user(self, exchange: Exchange) -> Reply:
        name = self._accounts.get(exchange.seen.token or "")
        return _json(401, {"message": "Bad credentials"}) if name is None else _json(200, {"login": name})

    def _browser(self, exchange: Exchange) -> Reply:
        """Answer the download address: it knows no tokens, so private assets are not found."""
        owner, _, rest = exchange.seen.route.strip("/").partition("/")
        repo, found, rest = rest.partition("/releases/")
        parts = rest.split("/")
        public = [each for each in self._assets if each.repo == f"{owner}/{repo}" and not each.private]
        if not found or len(parts) != 3 or not public:
            return Reply.text(404, "Not Found")
        if parts[:2] == ["latest", "download"]:
            return Reply.redirect(f"{self.endpoint}/{owner}/{repo}/releases/download/{public[-1].tag}/{parts[2]}")
        asset = next((each for each in public if ["download", each.tag, each.name] == parts), None)
        return Reply.text(404, "Not Found") if asset is None else self._to_store(asset)

    def _to_store(self, asset: _Asset) -> Reply:
        disposition = f"attachment%3B%20filename%3D{asset.name}"
        return Reply.redirect(self.cdn.sign(f"/asset/{asset.number}", response_content_disposition=disposition))

    def _api(self, exchange: Exchange) -> Reply:
        seen = exchange.seen
        parts = seen.route.removeprefix("/api/v3/repos/").split("/")
        if seen.token is not None and seen.token not in self._accounts:
            return _json(401, {"message": "Bad credentials"})
        visible = [
            each for each in self._assets if each.repo == "/".join(parts[:2]) and (not each.private or seen.token)
        ]
        match parts[2:]:
            case ["releases", "tags", tag]:
                return self._release([each for each in visible if each.tag == tag])
            case ["releases", "latest"]:
                return self._release([each for each in visible if each.tag == visible[-1].tag])
            case ["releases", "assets", number]:
                asset = next((each for each in visible if each.number == int(number)), None)
                if asset is not None and seen.headers.get("accept") == "application/octet-stream":
                    return self._to_store(asset)
        return _json(404, {"message": "Not Found"})

    def _release(self, assets: list[_Asset]) -> Reply:
        if not assets:
            return _json(404, {"message": "Not Found"})
        shown = [
            {
                "id": each.number,
                "name": each.name,
                "size": each.content.size,
                "digest": f"sha256:{each.content.sha256}" if each.digest else None,
                "url": f"{self.endpoint}/api/v3/repos/{each.repo}/releases/assets/{each.number}",
                "browser_download_url": self.url(each.repo, each.tag, each.name),
            }
            for each in assets
        ]
        return _json(200, {"tag_name": assets[0].tag, "assets": shown})


def _json(status: int, document: object) -> Reply:
    return Reply.text(status, json.dumps(document), "application/json")
