"""The laws of small documents."""

from __future__ import annotations

import pytest

from backend.sources import Sources
from backend.sources.errors import FetchFailed, TokenInAddress
from tests.fakes.model_host import Content, Hangup, ModelHost, Status

pytestmark = pytest.mark.anyio

DOCUMENT = Content.of('{"version": "1"}')


async def test_a_document_is_fetched_through_redirects_and_tls(
    model_host: ModelHost, tls_model_host: ModelHost, sources: Sources
) -> None:
    """Upwards to https is fine; the agent is named; no header tells who we are."""
    target = tls_model_host.put("/catalog.json", DOCUMENT)
    model_host.redirect("/latest", target)

    assert await sources.fetch_bytes(model_host.url("/latest"), 100) == DOCUMENT.read()
    assert tls_model_host.requests[0].headers["user-agent"].startswith("Hearth/")
    assert "authorization" not in tls_model_host.requests[0].headers


async def test_what_cannot_be_had_is_one_error(
    model_host: ModelHost, tls_model_host: ModelHost, sources: Sources
) -> None:
    """Too large, missing, broken, in circles, downwards to http, towards a metadata service, unreachable."""
    model_host.put("/large", Content.random(5000))
    model_host.put("/gone", DOCUMENT, Status(410))
    model_host.put("/broken", DOCUMENT, Hangup())
    model_host.redirect("/loop", "/loop")
    model_host.redirect("/cloud", "http://169.254.169.254/")
    tls_model_host.redirect("/down", model_host.put("/plain", DOCUMENT))
    urls = [model_host.url(path) for path in ("/large", "/gone", "/none", "/broken", "/loop", "/cloud")]
    for url in (*urls, tls_model_host.url("/down"), "http://nobody.invalid/a"):
        with pytest.raises(FetchFailed) as caught:
            await sources.fetch_bytes(url, 1000)
        assert caught.value.code == "fetch_failed"


async def test_an_address_with_a_secret_is_not_fetched(model_host: ModelHost, sources: Sources) -> None:
    """The same rule as for files."""
    with pytest.raises(TokenInAddress):
        await sources.fetch_bytes(model_host.url("/a?token=AbCdEfGh"), 100)
    assert model_host.requests == []
