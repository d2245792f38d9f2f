"""The laws of files on Hugging Face."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from backend.sources import FileRef, RemoteFile, Sources, Tokens
from backend.sources.client import Answer, Client
from backend.sources.errors import (
    FileGone,
    GatedLicenceNotAccepted,
    GatedNoToken,
    HostFailed,
    HostUnreachable,
    RateLimited,
    RemoteFileNotFound,
    TokenInvalid,
    TokenLacksScope,
    UnsupportedAddress,
    WebPageInsteadOfFile,
)
from backend.sources.huggingface import HuggingFace
from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import Content, ModelHost, Reply, too_many, unavailable
from tests.secret_watch import secret
from tests.sources.conftest import Resolve

pytestmark = pytest.mark.anyio

FILE = Content.safetensors(10_000, seed=1)


async def fetch(file: RemoteFile) -> httpx2.Response:
    """Fetch as the transfer engine does: the headers go to the first origin only."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(file.url, headers=dict(file.headers))
        while answer.has_redirect_location:
            url = answer.url.join(answer.headers["location"])
            own = (url.host, url.port) == (httpx2.URL(file.url).host, httpx2.URL(file.url).port)
            answer = await client.get(url, headers=dict(file.headers) if own else {})
        return answer


@pytest.mark.parametrize("kind", ["resolve", "blob", "raw"])
async def test_the_hub_tells_commit_size_and_hash(hugging_face: HuggingFaceHub, resolve: Resolve, kind: str) -> None:
    """An address as people copy it, a page included, becomes a pinned address on the endpoint."""
    hugging_face.add("ada/model", "unet/a b.safetensors", FILE)
    file = await resolve(hugging_face.public_url("ada/model", "unet/a%20b.safetensors?download=true", kind=kind))
    head = hugging_face.head("ada/model")

    assert file.url == f"{hugging_face.endpoint}/ada/model/resolve/{head}/unet/a%20b.safetensors"
    assert (file.size_bytes, file.sha256, file.revision) == (FILE.size, FILE.sha256, head)
    assert (file.filename, file.content_addressed, dict(file.headers)) == ("a b.safetensors", True, {})
    assert (await fetch(file)).content == FILE.read()
    assert {seen.method for seen in hugging_face.site.requests[:1]} == {"HEAD"}


async def test_identity_outlives_commits_and_mirrors_but_not_a_new_content(
    hugging_face: HuggingFaceHub, resolve: Resolve, tmp_path: Path
) -> None:
    """A commit that leaves the file alone must not cost the bytes that are there; another content must."""
    url = hugging_face.add("ada/model", "a.safetensors", FILE)
    first = await resolve(url)
    hugging_face.commit("ada/model")
    second = await resolve(url)
    hugging_face.add("ada/model", "a.safetensors", Content.safetensors(10_000, seed=2))
    third = await resolve(url)

    assert first.url != second.url
    assert first.identity == second.identity != third.identity
    assert hugging_face.endpoint not in first.identity


async def test_a_pinned_address_stays_with_its_commit(hugging_face: HuggingFaceHub, resolve: Resolve) -> None:
    """A resume asks the same commit even when the branch has moved on."""
    url = hugging_face.add("ada/model", "a.safetensors", FILE)
    pinned = await resolve(url)
    hugging_face.add("ada/model", "a.safetensors", Content.safetensors(10_000, seed=2))
    again = await resolve(pinned.url, revision="main")

    assert (again.url, again.sha256) == (pinned.url, FILE.sha256)


async def test_a_given_revision_wins_over_a_branch(hugging_face: HuggingFaceHub, resolve: Resolve) -> None:
    """A preset may name a tag or a commit beside an address of main; odd names are escaped."""
    url = hugging_face.add("ada/model", "a.safetensors", FILE)
    commit = hugging_face.commit("ada/model", tag="v1")
    hugging_face.add("ada/model", "a.safetensors", Content.safetensors(10_000, seed=2))

    assert (await resolve(url, revision="v1")).revision == commit
    with pytest.raises(RemoteFileNotFound):
        await resolve(url, revision="../../evil")
    assert ".." not in hugging_face.site.requests[-1].path.replace("..%2F", "")


async def test_small_files_are_pinned_though_nobody_vouches_for_them(
    hugging_face: HuggingFaceHub, resolve: Resolve
) -> None:
    """Files outside LFS have a commit and a size, no sha256; a promised one is kept."""
    hugging_face.add("ada/model", "config.json", Content.of('{"a": 1}'), lfs=False)
    file = await resolve(hugging_face.url("ada/model", "config.json"), sha256="AB" * 32)

    assert (file.size_bytes, file.sha256, file.content_addressed) == (8, "ab" * 32, False)
    assert file.revision == hugging_face.head("ada/model")
    assert (await fetch(file)).content == b'{"a": 1}'


async def test_a_renamed_repository_is_followed(hugging_face: HuggingFaceHub, resolve: Resolve) -> None:
    """The pinned address uses the new name, so that nothing is redirected during the transfer."""
    url = hugging_face.add("ada/old", "a.safetensors", FILE)
    hugging_face.rename("ada/old", "ada/new")
    file = await resolve(url)

    assert "/ada/new/resolve/" in file.url
    assert file.identity == f"huggingface:ada/new/a.safetensors@sha256:{FILE.sha256}"


async def test_datasets_and_repositories_without_owner_are_understood(
    hugging_face: HuggingFaceHub, resolve: Resolve
) -> None:
    """Both forms of the hub's addresses, and pull requests as revisions."""
    hugging_face.add("datasets/ada/pictures", "a.bin", FILE)
    hugging_face.add("gpt2", "a.bin", FILE)
    head = hugging_face.commit("gpt2", tag="refs/pr/1")

    assert (await resolve("https://hf.co/datasets/ada/pictures/resolve/main/a.bin")).size_bytes == FILE.size
    assert (await resolve("https://huggingface.co/gpt2/resolve/refs%2Fpr%2F1/a.bin")).revision == head
    assert (await resolve("https://huggingface.co/gpt2/resolve/refs/pr/1/a.bin")).revision == head


async def test_a_mirror_below_a_path_serves_the_hub(model_host: ModelHost, tokens: Tokens) -> None:
    """HF_ENDPOINT may have a path of its own; other files of that host are not taken for the hub's."""
    file = Content.random(1000)
    model_host.put("/mirror/hf/ada/model/resolve/main/a.bin", file)
    model_host.put("/other/a.bin", file)
    sources = Sources(
        hf_endpoint=model_host.url("/mirror/hf"),
        civitai_endpoint="https://civitai.com",
        github_endpoint="https://github.com",
        tokens=tokens,
    )
    by_name = await sources.resolve(FileRef("https://huggingface.co/ada/model/resolve/main/a.bin"))
    by_address = await sources.resolve(FileRef(by_name.url))
    other = await sources.resolve(FileRef(model_host.url("/other/a.bin")))
    await sources.aclose()

    assert by_name.url == by_address.url == model_host.url("/mirror/hf/ada/model/resolve/main/a.bin")
    assert other.identity == model_host.url("/other/a.bin")


async def test_a_page_that_names_no_file_is_refused_with_advice(resolve: Resolve) -> None:
    """A repository's page is not a file."""
    for page in ("ada/model", "ada/model/tree/main", "models"):
        with pytest.raises(UnsupportedAddress) as caught:
            await resolve(f"https://huggingface.co/{page}")
        assert "download button" in caught.value.hint


async def test_a_gated_repository_asks_for_token_licence_and_right_in_turn(
    hugging_face: HuggingFaceHub, resolve: Resolve, tokens: Tokens
) -> None:
    """Each refusal has its own code, names the page, and says what the job waits for."""
    url = hugging_face.add("ada/gated", "a.safetensors", FILE)
    hugging_face.gate("ada/gated")
    with pytest.raises(GatedNoToken) as nobody:
        await resolve(url)
    await tokens.set("huggingface.co", hugging_face.account("weak", may_read_gated=False))
    with pytest.raises(TokenLacksScope) as weak:
        await resolve(url)
    await tokens.set("huggingface.co", hugging_face.account("bob"))
    with pytest.raises(GatedLicenceNotAccepted) as unaccepted:
        await resolve(url)
    hugging_face.accept("ada/gated", "bob")
    file = await resolve(url)

    page = "https://huggingface.co/ada/gated"
    for caught in (nobody, weak, unaccepted):
        assert (caught.value.waits_for, caught.value.details["page"]) == ("huggingface.co", page)
    assert page in unaccepted.value.hint
    assert "https://huggingface.co/settings/tokens" in nobody.value.hint
    assert (await fetch(file)).content == FILE.read()
    assert all("authorization" not in seen.headers for seen in hugging_face.cdn.host.requests)


async def test_a_request_that_waits_for_the_authors_says_so(hugging_face: HuggingFaceHub, sources: Sources) -> None:
    """Some authors decide by hand."""
    url = hugging_face.url("ada/gated", "a.safetensors")
    headers = {
        "X-Error-Code": "GatedRepo",
        "X-Error-Message": "Your request to access model ada/gated is awaiting a review from the repo authors.",
    }
    error = sources.explain(url, 403, headers, b"")

    assert error.code == "gated_licence_not_accepted"
    assert "not yet decided" in error.message


async def test_a_private_repository_opens_to_its_token_only(
    hugging_face: HuggingFaceHub, resolve: Resolve, tokens: Tokens
) -> None:
    """To strangers it does not exist, as on the hub, and the hint mentions tokens."""
    url = hugging_face.add("ada/secret", "a.safetensors", FILE)
    hugging_face.hide("ada/secret", "ada")
    with pytest.raises(RemoteFileNotFound) as stranger:
        await resolve(url)
    await tokens.set("huggingface.co", hugging_face.account("bob"))
    with pytest.raises(RemoteFileNotFound):
        await resolve(url)
    await tokens.set("huggingface.co", hugging_face.account("ada"))

    assert "token" in stranger.value.hint
    assert (await resolve(url)).size_bytes == FILE.size


async def test_what_is_missing_is_named(hugging_face: HuggingFaceHub, resolve: Resolve) -> None:
    """Repository, revision and file are told apart; a disabled repository is gone."""
    url = hugging_face.add("ada/model", "a.safetensors", FILE)
    for address, missing in (
        (hugging_face.url("ada/none", "a.safetensors"), "repository"),
        (hugging_face.url("ada/model", "a.safetensors", "none"), "revision"),
        (hugging_face.url("ada/model", "none.safetensors"), "file"),
    ):
        with pytest.raises(RemoteFileNotFound) as caught:
            await resolve(address)
        assert (caught.value.code, caught.value.details["missing"]) == ("file_not_found", missing)
        assert not caught.value.retryable
    hugging_face.disable("ada/model")
    with pytest.raises(FileGone):
        await resolve(url)


async def test_a_stale_token_stops_gated_files_only(
    hugging_face: HuggingFaceHub, resolve: Resolve, tokens: Tokens
) -> None:
    """The hub refuses a bad token even for public files: those are asked for again without it."""
    public = hugging_face.add("ada/public", "a.safetensors", FILE)
    gated = hugging_face.add("ada/gated", "a.safetensors", FILE)
    hugging_face.gate("ada/gated")
    token = hugging_face.account("bob")
    await tokens.set("huggingface.co", token)
    hugging_face.revoke(token)

    assert dict((await resolve(public)).headers) == {}
    with pytest.raises(TokenInvalid) as caught:
        await resolve(gated)
    assert caught.value.waits_for == "huggingface.co"


async def test_trouble_of_the_hub_is_worth_another_try(hugging_face: HuggingFaceHub, resolve: Resolve) -> None:
    """429 carries the wait, from either header; 503 and silence are retryable."""
    url = hugging_face.add("ada/model", "a.safetensors", FILE)
    limit = too_many(times=1)
    limit.headers, limit.methods = {"RateLimit": '"resolvers";r=0;t=55'}, ("HEAD",)
    failure = unavailable(times=1)
    failure.methods = ("HEAD",)
    for fault, kind, wait in ((limit, RateLimited, 55), (failure, HostFailed, None)):
        hugging_face.site.forget()
        hugging_face.site.everywhere(fault)
        with pytest.raises(kind) as caught:
            await resolve(url)
        assert (caught.value.retryable, caught.value.retry_after_s) == (True, wait)
    hugging_face.close()
    with pytest.raises(HostUnreachable):
        await resolve(url)


async def test_an_endpoint_that_is_no_hub_is_found_out(tokens: Tokens, model_host: ModelHost) -> None:
    """A captive portal answers everything with a page, and a check of the token with anything."""
    model_host.handle("/", lambda _exchange: Reply.text(200, "<html>Welcome</html>", "text/html"))
    sources = Sources(
        hf_endpoint=model_host.origin, civitai_endpoint="https://b", github_endpoint="https://c", tokens=tokens
    )
    await tokens.set("huggingface.co", secret("token of somebody", "hf_"))
    with pytest.raises(WebPageInsteadOfFile):
        await sources.resolve(FileRef("https://hf.co/ada/model/resolve/main/a.bin"))
    for status, body in ((200, "<html>"), (200, "{}"), (500, "")):
        model_host.handle("/api/whoami-v2", lambda _exchange, body=body, status=status: Reply.text(status, body))
        with pytest.raises(HostFailed):
            await tokens.validate("huggingface.co")
    await sources.aclose()


async def test_a_token_is_not_shown_to_an_endpoint_in_the_clear(tokens: Tokens) -> None:
    """Plain http to somewhere outside: everybody on the way could read the token."""
    await tokens.set("huggingface.co", secret("token of somebody", "hf_"))
    clear, encrypted = (HuggingFace(f"{scheme}://hub.example.org", tokens, Client()) for scheme in ("http", "https"))
    refusal = {"x-error-code": "GatedRepo"}
    url = "http://hub.example.org/ada/model/resolve/main/a.bin"

    assert isinstance(clear.explain(Answer(url, 401, refusal)), GatedNoToken)
    assert isinstance(encrypted.explain(Answer(url.replace("http", "https"), 401, refusal)), TokenInvalid)


async def test_the_hub_says_whose_token_it_is(hugging_face: HuggingFaceHub, sources: Sources, tokens: Tokens) -> None:
    """A good token has an account, a bad one is refused."""
    await tokens.set("hf.co", hugging_face.account("ada"))
    assert await tokens.validate("huggingface.co") == "ada"

    hugging_face.revoke(tokens.get("huggingface.co") or "")
    with pytest.raises(TokenInvalid):
        await tokens.validate("huggingface.co")
