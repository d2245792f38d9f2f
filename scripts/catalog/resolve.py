"""Ask the hubs for exact sizes, checksums and commits; the only part of the generator that needs a network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from backend.errors import HearthError
from backend.sources import FileRef, Sources, Tokens
from scripts.catalog.facts import ResolvedFact


async def ask_hubs(
    urls: Iterable[str], environment: Mapping[str, str]
) -> tuple[dict[str, ResolvedFact], dict[str, str]]:
    """Ask about each address, one after the other; return the answers, and the refusals as sentences, by address.

    A hub that vouches for a checksum gives all three values. Another host gives at most a size, which is left out:
    nothing says that the file will stay.

    Args:
        environment: ``HF_ENDPOINT`` names another hub, ``HF_TOKEN`` opens gated repositories.
    """
    answers: dict[str, ResolvedFact] = {}
    refusals: dict[str, str] = {}
    sources = open_sources(environment)
    try:
        for url in sorted(set(urls)):
            try:
                file = await sources.resolve(FileRef(url=url))
            except HearthError as error:
                refusals[url] = f"{error.code}: {error.message}"
                continue
            if file.content_addressed and file.sha256:
                answers[url] = ResolvedFact(size_bytes=file.size_bytes, sha256=file.sha256, revision=file.revision)
    finally:
        await sources.aclose()
    return answers, refusals


def open_sources(environment: Mapping[str, str]) -> Sources:
    """Open the sources with the tokens of the environment only; nothing is read from or written to a workspace."""
    tokens = Tokens(Path(os.devnull), {"huggingface.co": environment.get("HF_TOKEN", "")}, {})
    return Sources(
        hf_endpoint=environment.get("HF_ENDPOINT", "https://huggingface.co"),
        civitai_endpoint="https://civitai.com",
        github_endpoint="https://github.com",
        tokens=tokens,
    )
