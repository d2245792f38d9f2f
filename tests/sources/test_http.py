"""The laws of files on any other host."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from backend.sources import FileRef, Sources, Tokens
from backend.sources import client as client_module
from backend.sources.errors import (
    AccessDenied,
    FileGone,
    ForbiddenAddress,
    GatedNoToken,
    HostFailed,
    HostUnreachable,
    HostUntrusted,
    RateLimited,
    RemoteFileNotFound,
    TokenInvalid,
    WebPageInsteadOfFile,
)
from tests.fakes.model_host import Content, Hangup, HtmlPage, ModelHost, NeedsToken, Reply, Status, too_many
from tests.secret_watch import secret
from tests.sources.conftest import Resolve

pytestmark = pytest.mark.anyio

FILE = Content.random(5000, seed=6)


async def test_a_sound_host_tells_size_and_name(model_host: ModelHost, resolve: Resolve) -> None:
    """The name in the answer wins over the address; folders in it are dropped; nothing is promised about the hash."""
    named = replace(FILE, filename="..\\..\\models/real name.bin")
    url = model_host.put("/files/a%20b.bin", FILE)
    plain = await resolve(url, sha256="cd" * 32)
    suggested = await resolve(model_host.put("/get", named))

    assert (plain.url, plain.identity, plain.filename) == (url, url, "a b.bin")
    assert (plain.size_bytes, plain.sha256, plain.content_addressed) == (5000, "cd" * 32, False)
    assert suggested.filename == "real name.bin"


async def test_an_https_host_with_a_private_authority_is_asked(tls_model_host: ModelHost, resolve: Resolve) -> None:
    """The authority is trusted because it was named, beside the usual ones."""
    assert (await resolve(tls_model_host.put("/a.bin", FILE))).size_bytes == 5000


async def test_an_unknown_authority_is_not_trusted(tls_model_host: ModelHost, tokens: Tokens) -> None:
    """The certificate is named as the trouble, and asking again would not help."""
    sources = Sources(hf_endpoint="https://a", civitai_endpoint="https://b", github_endpoint="https://c", tokens=tokens)
    with pytest.raises(HostUntrusted) as caught:
        await sources.resolve(FileRef(tls_model_host.put("/a.bin", FILE)))
    await sources.aclose()

    assert not caught.value.retryable


@pytest.mark.parametrize("status", [400, 403, 405, 500, 501])
async def test_a_host_that_knows_no_head_is_left_to_the_transfer(
    model_host: ModelHost, resolve: Resolve, status: int
) -> None:
    """What was known stays known."""
    url = model_host.put("/a.bin", FILE, Status(status, methods=("HEAD",)))
    file = await resolve(url, size_bytes=7)

    assert (file.url, file.size_bytes, file.filename) == (url, 7, "a.bin")


async def test_silence_to_head_is_left_to_the_transfer(
    model_host: ModelHost, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers hang on HEAD for ever."""
    monkeypatch.setattr(client_module, "_IDLE_S", 0.2)
    model_host.handle("/a.bin", lambda exchange: replace(exchange.reply, delay_s=60))

    assert (await resolve(model_host.url("/a.bin"))).size_bytes is None


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, GatedNoToken, "gated_no_token"),
        (404, RemoteFileNotFound, "file_not_found"),
        (410, FileGone, "file_gone"),
        (451, FileGone, "file_gone"),
    ],
)
async def test_refusals_that_mean_the_file_are_named(
    model_host: ModelHost, resolve: Resolve, status: int, kind: type[Exception], code: str
) -> None:
    """No blind retry: each has its code."""
    with pytest.raises(kind) as caught:
        await resolve(model_host.put("/a.bin", FILE, Status(status, methods=("HEAD",))))
    assert (caught.value.code, caught.value.retryable) == (code, False)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("value", "low", "high"), [("7", 7, 7), ("Fri, 31 Dec 2100 23:59:59 GMT", 86400, 86400)])
async def test_a_busy_host_tells_when_to_come_back(
    model_host: ModelHost, resolve: Resolve, value: str, low: float, high: float
) -> None:
    """Seconds or a date, never longer than a day; nonsense is no answer."""
    fault = too_many(retry_after=value, times=1)
    fault.methods = ("HEAD",)
    with pytest.raises(RateLimited) as caught:
        await resolve(model_host.put("/a.bin", FILE, fault))

    assert low <= (caught.value.retry_after_s or 0) <= high
    assert caught.value.details["retry_after_s"] == caught.value.retry_after_s


@pytest.mark.parametrize("value", ["soon", "", "-5", "Fri, 99 Nov"])
async def test_a_wait_that_cannot_be_read_is_no_wait(sources: Sources, value: str) -> None:
    """Then our own delays count."""
    error = sources.explain("https://host.example/a.bin", 429, {"Retry-After": value}, b"")

    assert isinstance(error, RateLimited)
    assert error.retry_after_s is None


async def test_a_web_page_is_not_a_file(model_host: ModelHost, resolve: Resolve) -> None:
    """A page at a file's address is named before anything is fetched; a page that was asked for is fine."""
    page = HtmlPage(methods=("HEAD",))
    with pytest.raises(WebPageInsteadOfFile):
        await resolve(model_host.put("/models/7", FILE, page))
    assert (await resolve(model_host.put("/guide.html", FILE, page))).filename == "guide.html"


async def test_a_token_goes_to_its_own_host_and_port_alone(
    model_host: ModelHost, resolve: Resolve, tokens: Tokens
) -> None:
    """Across a redirect to another origin, even of the same machine, the token stays behind."""
    token = secret("token of a NAS")
    with ModelHost() as other:
        target = other.put("/a.bin", FILE)
        model_host.handle("/a.bin", lambda _exchange: Reply.redirect(target), NeedsToken(token))
        url = model_host.url("/a.bin")
        with pytest.raises(GatedNoToken) as caught:
            await resolve(url)
        await tokens.set(model_host.authority, secret("token of somebody"))
        with pytest.raises(TokenInvalid):
            await resolve(url)
        await tokens.set(model_host.authority, token)
        file = await resolve(url)

        assert caught.value.waits_for == model_host.authority
        assert (file.url, file.size_bytes) == (url, 5000)
        assert dict(file.headers) == {"Authorization": f"Bearer {token}"}
        assert token not in repr(file)
        assert [seen.headers.get("authorization") for seen in other.requests] == [None]


async def test_a_signed_address_keeps_its_identity_when_it_is_signed_anew(
    model_host: ModelHost, resolve: Resolve, sources: Sources
) -> None:
    """Only what signs is left out of the identity; a refused signature is named."""
    model_host.put("/a.bin", FILE)
    one = await resolve(model_host.url("/a.bin?part=2&X-Amz-Signature=abc&X-Amz-Expires=60"))
    two = await resolve(model_host.url("/a.bin?part=2&X-Amz-Signature=def&X-Amz-Expires=60"))
    refused = sources.explain(one.url, 403, {}, b"<Error/>")

    assert one.identity == two.identity == model_host.url("/a.bin?part=2")
    assert refused.code == "signed_address_refused"
    assert "abc" not in refused.message


async def test_redirects_end_and_lead_nowhere_forbidden(model_host: ModelHost, resolve: Resolve) -> None:
    """Circles, nonsense, other schemes and metadata services end the search."""
    model_host.redirect("/loop", "/loop")
    model_host.redirect("/port", "http://host:99999999/")
    model_host.redirect("/file", "file:///etc/passwd")
    model_host.redirect("/cloud", "http://169.254.169.254/latest/meta-data/")
    for path, kind in (
        ("/loop", HostFailed),
        ("/port", HostFailed),
        ("/file", HostFailed),
        ("/cloud", ForbiddenAddress),
    ):
        with pytest.raises(kind):
            await resolve(model_host.url(path))


async def test_a_host_that_is_not_there_is_unreachable(model_host: ModelHost, resolve: Resolve) -> None:
    """A closed port, a name that nobody knows, and a connection that breaks are worth another try."""
    broken = model_host.put("/a.bin", FILE, Hangup(methods=("HEAD",)))
    with ModelHost() as gone:
        closed = gone.url("/a.bin")
    for url in (broken, closed, "http://nobody.invalid/a.bin"):
        with pytest.raises(HostUnreachable) as caught:
            await resolve(url)
        assert caught.value.retryable


async def test_the_agent_is_named_and_no_cookie_is_kept(model_host: ModelHost, resolve: Resolve) -> None:
    """Some edges refuse agents of libraries; a host cannot recognise us by cookie."""
    model_host.put("/a.bin", FILE, Status(200, headers={"Set-Cookie": "id=1; Path=/"}, methods=("HEAD",)))
    await resolve(model_host.url("/a.bin"))
    await resolve(model_host.url("/a.bin"))

    assert [seen.headers["user-agent"].partition("/")[0] for seen in model_host.requests] == ["Hearth", "Hearth"]
    assert all("cookie" not in seen.headers for seen in model_host.requests)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, AccessDenied), (418, AccessDenied), (500, HostFailed), (408, HostFailed), (302, HostFailed)],
)
async def test_any_answer_met_in_a_transfer_has_a_name(sources: Sources, status: int, kind: type[Exception]) -> None:
    """Whatever a host says, the job gets a code."""
    assert isinstance(sources.explain("https://host.example/a.bin", status, {"Content-Type": "text/plain"}, b""), kind)


async def test_a_cancelled_question_closes_its_connection(model_host: ModelHost, sources: Sources) -> None:
    """Cancelling while the host is silent leaves nothing open."""
    model_host.handle("/slow", lambda exchange: replace(exchange.reply, delay_s=60))
    question = asyncio.create_task(sources.resolve(FileRef(model_host.url("/slow"))))
    await model_host.until(lambda seen: seen)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question

    await model_host.until(lambda seen: seen[0].closed_at, timeout=2)
