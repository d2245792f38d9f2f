"""No token reaches another origin, a log, an error or the form in which an object shows itself."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from backend.errors import HearthError
from backend.sources import Sources, Tokens
from backend.sources import errors as errors_module
from backend.sources.errors import SourceError, TokenError
from tests.fakes.civitai import Civitai
from tests.fakes.github import GitHub
from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import Content, ModelHost
from tests.sources.conftest import Resolve

pytestmark = pytest.mark.anyio

FILE = Content.random(1000, seed=8)


async def test_each_token_is_seen_by_its_own_host_alone(
    hugging_face: HuggingFaceHub,
    civitai: Civitai,
    github: GitHub,
    model_host: ModelHost,
    resolve: Resolve,
    tokens: Tokens,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Three tokens, four hosts and their delivery networks, good and bad answers: each token stays where it belongs."""
    caplog.set_level(logging.DEBUG)
    own = {
        hugging_face.account("ada"): hugging_face.site,
        civitai.account("ada"): civitai.site,
        github.account("ada"): github.site,
    }
    for host, token in zip(("huggingface.co", "civitai.com", "github.com"), own, strict=True):
        await tokens.set(host, token)
    for name in ("a", "b"):
        hugging_face.add(f"ada/{name}", "a.bin", FILE)
        github.add(f"ada/{name}", "v1", "a.bin", FILE)
    hugging_face.gate("ada/b")
    civitai.add(1, "a.bin", FILE)
    civitai.add(2, "a.bin", FILE, early_access=True)
    model_host.put("/a.bin", FILE)
    model_host.redirect("/to-hub", hugging_face.url("ada/a", "a.bin"))
    texts: list[str] = []
    for url in (
        *(hugging_face.url(f"ada/{name}", "a.bin") for name in ("a", "b", "none")),
        *(github.url(f"ada/{name}", "v1", "a.bin") for name in ("a", "none")),
        *(civitai.url(number) for number in (1, 2, 3)),
        model_host.url("/a.bin"),
        model_host.url("/to-hub"),
        model_host.url("/none"),
    ):
        try:
            texts.append(repr(await resolve(url)))
        except SourceError as error:
            texts += [str(error.as_dict()), repr(error)]

    hosts = [hugging_face.site, hugging_face.cdn.host, civitai.site, civitai.cdn.host]
    hosts += [github.site, github.cdn.host, model_host]
    for token, home in own.items():
        assert any(token in str(seen.headers) for seen in home.requests)
        for host in hosts:
            assert host is home or not any(token in f"{seen.path} {seen.headers}" for seen in host.requests)
        assert not any(token in seen.path for seen in home.requests)
        assert token not in "\n".join(texts) + caplog.text


async def test_a_redirect_back_to_the_hub_carries_no_token(
    hugging_face: HuggingFaceHub, model_host: ModelHost, resolve: Resolve, tokens: Tokens
) -> None:
    """A stranger's redirect cannot make us show a token, not even to its own host."""
    await tokens.set("huggingface.co", hugging_face.account("ada"))
    hugging_face.add("ada/a", "a.bin", FILE)
    model_host.redirect("/to-hub", hugging_face.url("ada/a", "a.bin"))
    await resolve(model_host.url("/to-hub"))

    assert [seen.headers.get("authorization") for seen in hugging_face.site.requests] == [None]


async def test_error_texts_hold_no_query_and_no_words_of_the_host(sources: Sources, civitai: Civitai) -> None:
    """What a host writes into an error may be anything; only our own sentences are shown."""
    url = f"{civitai.url(1)}?X-Amz-Signature=AbCdEfGhIj"
    for status in (400, 401, 403, 404, 410, 429, 500):
        for address in (url, "https://cdn.example/a?sig=AbCdEfGhIj"):
            error = sources.explain(address, status, {"X-Error-Message": "<b>evil</b>"}, b"<b>evil</b> token=xyz")
            text = str(error.as_dict())
            assert "AbCdEfGhIj" not in text
            assert "evil" not in text


def test_every_code_is_one_class_with_advice() -> None:
    """Codes differ, and each class says what to do next."""
    classes = [
        each
        for each in vars(errors_module).values()
        if isinstance(each, type)
        and issubclass(each, HearthError)
        and each not in (HearthError, SourceError, TokenError)
    ]
    codes = [each.code for each in classes]

    assert len(codes) == len(set(codes)) > 20
    assert all(each.default_hint != HearthError.default_hint for each in classes)
    assert all(400 <= each.status < 600 and each.status != 401 for each in classes)
    assert all(each.__name__ in (errors_module.__doc__ or "") for each in classes)


def test_sources_cost_the_start_nothing() -> None:
    """Importing them loads no library of HTTP; that comes with the first question."""
    script = "import sys, backend.sources; sys.exit('httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
