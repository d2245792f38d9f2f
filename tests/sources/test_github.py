"""The laws of files on GitHub."""

from __future__ import annotations

import time

import pytest

from backend.sources import Sources, Tokens
from backend.sources.errors import HostFailed, RateLimited, RemoteFileNotFound, TokenInvalid, UnsupportedAddress
from tests.fakes.github import GitHub
from tests.fakes.model_host import Content, Reply, Status
from tests.secret_watch import secret
from tests.sources.conftest import Resolve
from tests.sources.test_huggingface import fetch

pytestmark = pytest.mark.anyio

FILE = Content.random(50_000, seed=5)


async def test_a_release_asset_has_size_and_hash_when_the_api_knows_them(github: GitHub, resolve: Resolve) -> None:
    """The API's digest is the promise; the download address is where the transfer begins."""
    github.add("ada/tool", "v1.0", "model.onnx", FILE)
    file = await resolve(github.public_url("ada/tool", "v1.0", "model.onnx"))

    assert (file.url, file.filename) == (github.url("ada/tool", "v1.0", "model.onnx"), "model.onnx")
    assert (file.size_bytes, file.sha256, file.revision) == (FILE.size, FILE.sha256, "v1.0")
    assert file.content_addressed
    assert (await fetch(file)).content == FILE.read()


async def test_a_silent_api_costs_only_the_facts(github: GitHub, resolve: Resolve) -> None:
    """60 questions an hour are soon asked: identity and address stay the same without the API."""
    url = github.add("ada/tool", "v1.0", "model.onnx", FILE)
    known = await resolve(url)
    refusal = Status(403, '{"message": "rate limit"}', {"X-RateLimit-Remaining": "0"})
    github.site.handle("/api/v3/repos/", lambda exchange: exchange.reply, refusal)
    unknown = await resolve(url, size_bytes=7)

    assert (unknown.url, unknown.identity) == (known.url, known.identity)
    assert (unknown.size_bytes, unknown.sha256, unknown.content_addressed) == (7, None, False)


async def test_an_api_that_makes_no_sense_costs_only_the_facts(github: GitHub, resolve: Resolve) -> None:
    """A page instead of JSON, or a circle of redirects at the download address."""
    url = github.add("ada/tool", "v1.0", "model.onnx", FILE)
    github.site.handle("/api/v3/repos/", lambda _exchange: Reply.text(200, "<html>"))

    assert (await resolve(url)).url == url
    github.site.redirect("/ada/loop/releases/download/v1/a.bin", "/ada/loop/releases/download/v1/a.bin")
    with pytest.raises(HostFailed):
        await resolve(github.url("ada/loop", "v1", "a.bin"))


async def test_the_latest_release_is_pinned_to_its_tag(github: GitHub, resolve: Resolve) -> None:
    """With the API and without it."""
    github.add("ada/tool", "v1.0", "model.onnx", Content.random(10))
    url = github.add("ada/tool", "v2.0", "model.onnx", FILE)
    latest = github.public_url("ada/tool", "latest", "model.onnx")
    with_api = await resolve(latest)
    github.site.handle("/api/v3/repos/", lambda _exchange: Reply.text(500))
    without_api = await resolve(latest)

    assert with_api.url == without_api.url == url
    assert with_api.revision == without_api.revision == "v2.0"


async def test_a_private_asset_comes_through_the_api_with_a_token(
    github: GitHub, resolve: Resolve, tokens: Tokens
) -> None:
    """The browser's address knows no tokens; the store never sees one."""
    url = github.add("ada/secret", "v1.0", "model.onnx", FILE, private=True)
    with pytest.raises(RemoteFileNotFound) as stranger:
        await resolve(url)
    await tokens.set("github.com", github.account("ada"))
    file = await resolve(url)

    assert "token" in stranger.value.hint
    assert "/api/v3/repos/ada/secret/releases/assets/" in file.url
    assert (await fetch(file)).content == FILE.read()
    assert all("authorization" not in seen.headers for seen in github.cdn.host.requests)


async def test_a_stale_token_does_not_stop_public_assets(github: GitHub, resolve: Resolve, tokens: Tokens) -> None:
    """The API refuses it; the download address needs none."""
    url = github.add("ada/tool", "v1.0", "model.onnx", FILE)
    await tokens.set("github.com", secret("token of somebody", "ghp_"))
    file = await resolve(url)

    assert (file.url, dict(file.headers)) == (url, {})


async def test_pages_of_a_file_mean_the_file_and_other_pages_are_refused(github: GitHub, resolve: Resolve) -> None:
    """A blob page becomes the raw address; a project page names no file."""
    github.site.put("/ada/tool/raw/main/a/b.pth", Content.of("weights"))
    file = await resolve("https://github.com/ada/tool/blob/main/a/b.pth")

    assert (file.url, file.filename) == (github.site.url("/ada/tool/raw/main/a/b.pth"), "b.pth")
    with pytest.raises(UnsupportedAddress):
        await resolve("https://github.com/ada/tool/releases")
    with pytest.raises(RemoteFileNotFound):
        await resolve(github.url("ada/none", "v1", "a.bin"))


async def test_an_exhausted_limit_tells_when_it_ends(github: GitHub, sources: Sources) -> None:
    """GitHub says 403 and a time instead of 429."""
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 100)}
    error = sources.explain(github.url("ada/tool", "v1", "a.bin"), 403, headers, b"")

    assert isinstance(error, RateLimited)
    assert 90 < (error.retry_after_s or 0) <= 100


async def test_github_says_whose_token_it_is(github: GitHub, sources: Sources, tokens: Tokens) -> None:
    """A good token has an account, a bad one is refused."""
    await tokens.set("github.com", github.account("ada"))
    assert await tokens.validate("github.com") == "ada"

    await tokens.set("github.com", secret("token of somebody", "ghp_"))
    with pytest.raises(TokenInvalid):
        await tokens.validate("github.com")
