"""Sources that ask the fake peers, and tokens to give them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from backend.sources import FileRef, RemoteFile, Sources, Tokens
from tests.fakes.civitai import Civitai
from tests.fakes.github import GitHub
from tests.fakes.hub import HuggingFaceHub

Resolve = Callable[..., Awaitable[RemoteFile]]


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    """No tokens yet."""
    return Tokens.open(tmp_path / "tokens.json", {})


@pytest.fixture
async def sources(
    tokens: Tokens, hugging_face: HuggingFaceHub, civitai: Civitai, github: GitHub, cafile: str, anyio_backend: object
) -> AsyncIterator[Sources]:
    """All sources, with the fakes in place of the peers."""
    opened = Sources(
        hf_endpoint=hugging_face.endpoint,
        civitai_endpoint=civitai.endpoint,
        github_endpoint=github.endpoint,
        tokens=tokens,
        cafile=cafile,
    )
    yield opened
    await opened.aclose()


@pytest.fixture
def resolve(sources: Sources) -> Resolve:
    """Resolve an address; keyword arguments are what is known already."""

    async def ask(url: str, **known: object) -> RemoteFile:
        return await sources.resolve(FileRef(url, **known))  # type: ignore[arg-type]

    return ask
