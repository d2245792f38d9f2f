"""The way to the bytes: redirects, tokens, signed addresses, refusals, and what the hubs do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from backend.downloads.errors import BadAnswer, ChecksumMismatch, InsecureRedirect, TlsFailed, TooManyRedirects
from backend.downloads.transfer import Fetched, Meter, TransferEngine, Wanted
from backend.errors import HearthError
from backend.sources import FileRef, RemoteFile, Sources, Tokens
from tests.downloads.transfer.workbench import DEADLINE_S, MIB, Workbench, until
from tests.fakes.civitai import Civitai
from tests.fakes.content import Content
from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import ModelHost, NeedsToken, RefusesAuthorization, Reply, Slow, Status
from tests.fakes.signed import SignedStore
from tests.secret_watch import secret

pytestmark = pytest.mark.anyio

FILE = Content.safetensors(20 * MIB + 5, seed=1)


async def test_a_token_goes_to_its_origin_and_to_no_other(bench: Workbench, model_host: ModelHost) -> None:
    """A delivery network that answers 400 to any Authorization header never sees one."""
    token = secret("token of a model host")
    with ModelHost() as cdn:
        target = cdn.put("/blob", FILE, RefusesAuthorization())
        model_host.handle("/a", lambda _exchange: Reply.redirect(target), NeedsToken(token))
        await bench.fetch(model_host.url("/a"), headers={"Authorization": f"Bearer {token}"})
        assert await bench.holds(FILE)
        assert all("authorization" not in seen.headers for seen in cdn.requests)
        assert [seen.token for seen in model_host.requests] == [token]


async def test_a_token_follows_a_redirect_on_its_own_origin(bench: Workbench, model_host: ModelHost) -> None:
    """A path that has moved on the same host is still the host that the token belongs to."""
    token = secret("token of a model host")
    model_host.put("/b", FILE, NeedsToken(token))
    url = model_host.redirect("/a", "/b")
    await bench.fetch(url, headers={"Authorization": f"Bearer {token}"})
    assert await bench.holds(FILE)


async def test_another_port_is_another_origin(bench: Workbench, model_host: ModelHost) -> None:
    """Host and scheme alone do not make an origin."""
    with ModelHost() as neighbour:
        target = neighbour.put("/b", FILE)
        await bench.fetch(model_host.redirect("/a", target), headers={"Authorization": f"Bearer {secret('token')}"})
        assert all(seen.token is None for seen in neighbour.requests)


async def test_only_the_first_request_walks_the_redirects(bench: Workbench, model_host: ModelHost) -> None:
    """Later pieces go straight to where the bytes are."""
    model_host.put("/c", FILE)
    model_host.redirect("/b", "/c", 307)
    await bench.fetch(model_host.redirect("/a", "/b", 308))
    assert len(model_host.requests_of("/a")) == len(model_host.requests_of("/b")) == 1
    assert len(model_host.requests_of("/c")) > 1


async def test_a_redirect_loop_ends(bench: Workbench, model_host: ModelHost) -> None:
    """Ten hops are followed."""
    with pytest.raises(TooManyRedirects):
        await bench.fetch(model_host.redirect("/a", "/a"))
    assert len(model_host.requests) == 11
    assert bench.leftovers == []


async def test_https_never_becomes_http(tmp_path: Path, model_host: ModelHost, tls_model_host: ModelHost) -> None:
    """Whoever sits on the line could change the file, or read the token."""
    target = model_host.put("/a", FILE)
    async with Workbench(tmp_path, {"cafile": tls_model_host.cafile}) as bench:
        with pytest.raises(InsecureRedirect):
            await bench.fetch(tls_model_host.redirect("/a", target))
    assert model_host.requests == []


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/"])
async def test_a_redirect_to_the_metadata_of_a_cloud_is_refused(
    bench: Workbench, model_host: ModelHost, target: str
) -> None:
    """Those addresses hand out credentials of this machine."""
    with pytest.raises(InsecureRedirect):
        await bench.fetch(model_host.redirect("/a", target))


async def test_a_redirect_to_something_else_than_the_web_is_refused(bench: Workbench, model_host: ModelHost) -> None:
    """No file of this machine is ever read for a host."""
    with pytest.raises(BadAnswer):
        await bench.fetch(model_host.redirect("/a", "file:///etc/passwd"))


async def test_an_unknown_certificate_is_refused(bench: Workbench, tls_model_host: ModelHost) -> None:
    """The test authority is not among those of the system; trying again would not help."""
    with pytest.raises(TlsFailed):
        await bench.fetch(tls_model_host.put("/a", FILE))
    assert bench.meter.attempts == 0


async def test_an_expired_signature_is_renewed_by_the_source(bench: Workbench) -> None:
    """The bytes go on where they stopped, and the source is asked once."""
    store = SignedStore()
    store.put("/blob", FILE, Slow(20e6))
    with ModelHost() as site:
        site.handle("/a", lambda _exchange: Reply.redirect(store.sign("/blob")))
        task = asyncio.ensure_future(bench.fetch(site.url("/a"), hub_sha256=FILE.sha256, content_addressed=True))
        await until(lambda: bench.meter.bytes_done > 5 * MIB)
        store.expire()
        fetched = await task
    store.close()
    assert await bench.holds(FILE)
    assert fetched.restarts == 0
    assert bench.resolved == 2
    assert fetched.fetched_bytes == FILE.size
    assert "X-Amz" not in fetched.source_url


async def test_the_state_on_disk_keeps_no_signature(bench: Workbench, model_host: ModelHost) -> None:
    """What lies beside the file may be read by others."""
    store = SignedStore()
    store.put("/blob", FILE, Slow(20e6))
    model_host.handle("/a", lambda _exchange: Reply.redirect(store.sign("/blob")))
    token = secret("token of a model host")
    await bench.interrupted(model_host.url("/a"), 5 * MIB, headers={"Authorization": f"Bearer {token}"})
    store.close()
    text = bench.state.read_text()
    assert token not in text
    assert "Amz" not in text


async def test_a_source_that_names_another_file_after_a_while_is_believed(
    bench: Workbench, model_host: ModelHost
) -> None:
    """A renewed address with another checksum is another file: what is there is no part of it."""
    store = SignedStore()
    store.put("/blob", FILE, Slow(20e6))
    model_host.handle("/a", lambda _exchange: Reply.redirect(store.sign("/blob")))
    answers = [bench.remote(model_host.url("/a"), sha256=FILE.sha256)]

    async def resolve() -> RemoteFile:
        return answers.pop() if answers else bench.remote(model_host.url("/a"), sha256="0" * 64, identity="another")

    meter = Meter()
    task = asyncio.ensure_future(bench.engine.fetch(Wanted(bench.destination, resolve), meter))
    await until(lambda: meter.bytes_done > 5 * MIB)
    store.expire()
    with pytest.raises(ChecksumMismatch):
        await asyncio.wait_for(task, DEADLINE_S)
    store.close()
    assert not bench.destination.exists()


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "gated_no_token"), (403, "access_denied"), (404, "file_not_found"), (410, "file_gone")],
)
async def test_refusals_are_named_at_once(bench: Workbench, model_host: ModelHost, status: int, code: str) -> None:
    """What another try cannot change is not tried again."""
    with pytest.raises(HearthError) as refused:
        await bench.fetch(model_host.put("/a", FILE, Status(status)))
    assert refused.value.code == code
    assert len(model_host.requests) == 1
    assert bench.leftovers == []


async def test_a_file_that_vanishes_on_the_way_keeps_what_arrived(bench: Workbench, model_host: ModelHost) -> None:
    """The owner may put it back."""
    with pytest.raises(HearthError) as refused:
        await bench.fetch(model_host.put("/a", FILE, Status(404, first=3)))
    assert refused.value.code == "file_not_found"
    assert (await bench.durable_bytes() or 0) >= 4 * MIB


Bring = Callable[[FileRef], Awaitable[Fetched]]


@pytest.fixture
async def bring(
    tmp_path: Path, hugging_face: HuggingFaceHub, civitai: Civitai, anyio_backend: object
) -> AsyncIterator[tuple[Bring, Tokens]]:
    """Fetch references of the two hubs through the real sources."""
    tokens = await asyncio.to_thread(Tokens.open, tmp_path / "tokens.json", {})
    sources = Sources(
        hf_endpoint=hugging_face.endpoint,
        civitai_endpoint=civitai.endpoint,
        github_endpoint="http://127.0.0.1:9",
        tokens=tokens,
    )
    engine = TransferEngine(explain=sources.explain, reserve_bytes=lambda: 0, backoff_base_s=0.02)
    engine.start()

    async def fetch(reference: FileRef) -> Fetched:
        wanted = Wanted(tmp_path / "models" / "model.safetensors", lambda: sources.resolve(reference))
        async with asyncio.timeout(DEADLINE_S):
            return await engine.fetch(wanted, Meter())

    yield fetch, tokens
    await engine.close()
    await sources.aclose()


async def test_the_flow_of_hugging_face(bring: tuple[Bring, Tokens], hugging_face: HuggingFaceHub) -> None:
    """Resolve, redirect, signed delivery network, checksum of the hub."""
    hugging_face.add("ada/model", "unet.safetensors", FILE)
    fetched = await bring[0](FileRef(hugging_face.public_url("ada/model", "unet.safetensors")))
    assert fetched.verified
    assert fetched.sha256 == FILE.sha256
    assert await asyncio.to_thread(FILE.is_in, fetched.path)


async def test_a_gated_file_arrives_once_the_licence_is_accepted(
    bring: tuple[Bring, Tokens], hugging_face: HuggingFaceHub
) -> None:
    """No token, a token without acceptance, and then the file: each step is named."""
    fetch, tokens = bring
    hugging_face.add("ada/model", "unet.safetensors", FILE)
    hugging_face.gate("ada/model")
    reference = FileRef(hugging_face.public_url("ada/model", "unet.safetensors"))
    with pytest.raises(HearthError) as refused:
        await fetch(reference)
    assert refused.value.code == "gated_no_token"
    await tokens.set("huggingface.co", hugging_face.account("bob"))
    with pytest.raises(HearthError) as refused:
        await fetch(reference)
    assert refused.value.code == "gated_licence_not_accepted"
    hugging_face.accept("ada/model", "bob")
    assert (await fetch(reference)).verified


async def test_the_flow_of_civitai(bring: tuple[Bring, Tokens], civitai: Civitai) -> None:
    """A token for the API, none for the delivery network, the checksum of the version's description."""
    fetch, tokens = bring
    civitai.add(124, "paint.safetensors", FILE, login=True)
    with pytest.raises(HearthError) as refused:
        await fetch(FileRef(civitai.public_url(124)))
    assert refused.value.code == "gated_no_token"
    await tokens.set("civitai.com", civitai.account("ada"))
    fetched = await fetch(FileRef(civitai.public_url(124)))
    assert fetched.verified
    assert await asyncio.to_thread(FILE.is_in, fetched.path)
