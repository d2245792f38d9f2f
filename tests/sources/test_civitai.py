"""The laws of files on Civitai."""

from __future__ import annotations

import pytest

from backend.sources import Sources, Tokens
from backend.sources.base import FileRef
from backend.sources.civitai import Civitai as CivitaiSource
from backend.sources.client import Client
from backend.sources.errors import (
    AccessDenied,
    GatedNoToken,
    HostFailed,
    RemoteFileNotFound,
    TokenInvalid,
    UnsupportedAddress,
)
from tests.fakes.civitai import Civitai
from tests.fakes.model_host import Content, Status
from tests.secret_watch import secret
from tests.sources.conftest import Resolve
from tests.sources.test_huggingface import fetch

pytestmark = pytest.mark.anyio

FILE = Content.safetensors(123_457, seed=3)


async def test_the_version_api_tells_name_size_and_hash(civitai: Civitai, resolve: Resolve) -> None:
    """The transfer begins at the download address; the signed one is never kept."""
    civitai.add(123, "paint v1.safetensors", FILE)
    file = await resolve(civitai.public_url(123))

    assert (file.url, file.identity) == (civitai.url(123), f"civitai:123@sha256:{FILE.sha256}")
    assert (file.filename, file.size_bytes, file.sha256) == ("paint v1.safetensors", FILE.size, FILE.sha256)
    assert (file.revision, file.content_addressed) == ("123", True)
    assert (await fetch(file)).content == FILE.read()


async def test_the_address_chooses_among_the_files_of_a_version(civitai: Civitai, resolve: Resolve) -> None:
    """Format, size and precision in the address select; otherwise it is the primary file."""
    pruned = Content.safetensors(5_000, seed=4)
    civitai.add(123, "full.safetensors", FILE)
    civitai.add(123, "pruned.safetensors", pruned, metadata={"format": "SafeTensor", "size": "pruned", "fp": "fp16"})
    file = await resolve(civitai.public_url(123, "?type=Model&format=SafeTensor&size=pruned&fp=fp16"))

    assert (file.filename, file.sha256) == ("pruned.safetensors", pruned.sha256)
    assert (await fetch(file)).content == pruned.read()
    assert (await resolve(civitai.public_url(123))).filename == "full.safetensors"


async def test_pages_of_a_model_lead_to_a_version(civitai: Civitai, resolve: Resolve) -> None:
    """The version in the page's address counts, else the newest; a page without a model is refused."""
    civitai.add(123, "old.safetensors", FILE, model_id=7)
    civitai.add(124, "new.safetensors", Content.safetensors(1000), model_id=7)

    assert (await resolve("https://civitai.com/models/7/some-name?modelVersionId=123")).filename == "old.safetensors"
    assert (await resolve("https://civitai.red/models/7")).filename == "new.safetensors"
    with pytest.raises(UnsupportedAddress):
        await resolve("https://civitai.com/images/99")


async def test_a_model_without_versions_and_a_version_without_facts(civitai: Civitai, resolve: Resolve) -> None:
    """Nothing to choose from is not found; a file that the API does not describe is still a file, named by its signature."""
    civitai.add(123, "a.safetensors", FILE)
    civitai.site.put("/api/v1/models/7", Content.of('{"id": 7, "modelVersions": []}'))
    civitai.site.put("/api/v1/model-versions/123", Content.of('{"id": 123}'))
    file = await resolve(civitai.url(123))

    assert (file.filename, file.size_bytes, file.sha256) == ("a.safetensors", None, None)
    with pytest.raises(RemoteFileNotFound, match="no version"):
        await resolve("https://civitai.com/models/7")


@pytest.mark.parametrize("as_page", [True, False])
async def test_a_file_that_needs_a_login_waits_for_a_token(
    civitai: Civitai, resolve: Resolve, tokens: Tokens, as_page: bool
) -> None:
    """A login page with status 200 and a 401 mean the same; with the token the file comes, and the CDN never sees it."""
    civitai.login_as_page = as_page
    url = civitai.add(124, "early.safetensors", FILE, login=True)
    with pytest.raises(GatedNoToken) as caught:
        await resolve(url)
    await tokens.set("civitai.com", civitai.account("ada"))
    file = await resolve(url)

    assert caught.value.waits_for == "civitai.com"
    assert "https://civitai.com/user/account" in caught.value.hint
    assert (await fetch(file)).content == FILE.read()
    assert all("authorization" not in seen.headers for seen in civitai.cdn.host.requests)


async def test_refusals_of_civitai_are_told_apart(civitai: Civitai, resolve: Resolve, tokens: Tokens) -> None:
    """Unknown versions and models, a bad token, early access, an API that is down."""
    url = civitai.add(125, "a.safetensors", FILE, early_access=True)
    for missing in (civitai.url(999), "https://civitai.com/models/999"):
        with pytest.raises(RemoteFileNotFound):
            await resolve(missing)
    await tokens.set("civitai.com", secret("token of somebody"))
    with pytest.raises(TokenInvalid) as bad:
        await resolve(url)
    await tokens.set("civitai.com", civitai.account("ada"))
    with pytest.raises(AccessDenied, match="early access"):
        await resolve(url)
    civitai.site.everywhere(Status(200, "<html>maintenance</html>", content_type="text/html"))
    with pytest.raises(HostFailed, match="makes no sense"):
        await resolve(url)

    assert bad.value.waits_for == "civitai.com"


async def test_a_login_page_met_in_a_transfer_is_named(civitai: Civitai, sources: Sources) -> None:
    """The engine may hand over a page with status 200 too."""
    error = sources.explain(civitai.url(1), 200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>")

    assert error.code == "gated_no_token"


async def test_sister_sites_are_asked_themselves_unless_an_endpoint_is_set(tokens: Tokens) -> None:
    """Some models live on civitai.red alone; a mirror serves all of them."""
    usual = CivitaiSource("https://civitai.com", tokens, Client())
    mirror = CivitaiSource("https://mirror.lan", tokens, Client())
    red = FileRef("https://www.civitai.red/api/download/models/5")

    assert [place.site for place in (usual.detect(red), mirror.detect(red)) if place] == [
        "https://civitai.red",
        "https://mirror.lan",
    ]
    assert usual.detect(FileRef("https://example.org/api/download/models/5")) is None


async def test_a_size_that_was_rounded_is_no_promise(civitai: Civitai, resolve: Resolve) -> None:
    """Some old versions tell kilobytes with two decimals."""
    civitai.add(123, "a.safetensors", FILE)
    body = '{"files": [{"name": "../a.safetensors", "sizeKB": 120.57, "hashes": {"SHA256": "none"}}]}'
    civitai.site.handle("/api/v1/model-versions/", lambda exchange: exchange.reply, Status(200, body))
    file = await resolve(civitai.url(123))

    assert (file.size_bytes, file.sha256, file.filename) == (None, None, "a.safetensors")


async def test_civitai_says_whose_token_it_is(civitai: Civitai, sources: Sources, tokens: Tokens) -> None:
    """A good token has an account, a bad one is refused."""
    await tokens.set("civitai.com", civitai.account("ada"))
    assert await tokens.validate("civitai.com") == "ada"

    await tokens.set("civitai.com", secret("token of somebody"))
    with pytest.raises(TokenInvalid):
        await tokens.validate("civitai.com")
