"""The laws of keeping tokens."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest

from backend.kit.redact import redact
from backend.sources import FileRef, Sources, Tokens
from backend.sources.errors import InvalidToken, InvalidTokenHost, TokenCheckUnsupported, TokenLocked, TokenNotFound
from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import Content
from tests.secret_watch import secret

pytestmark = pytest.mark.anyio


async def reopened(path: Path, environment: dict[str, str] | None = None) -> Tokens:
    """Read the file as the next start does."""
    return await asyncio.to_thread(Tokens.open, path, environment or {})


async def test_a_token_is_kept_over_a_restart_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600 from the first moment, whole or not at all, and unknown names are not lost."""
    path, token = tmp_path / "tokens.json", secret("stored token", "hf_")
    tokens = Tokens.open(path, {})
    await tokens.set("HuggingFace.co", f" {token}\n")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (await reopened(path)).get("huggingface.co") == token
    assert [entry.name for entry in tmp_path.iterdir()] == ["tokens.json"]


async def test_the_environment_wins_and_is_never_written(tmp_path: Path) -> None:
    """A variable in force locks its host; deleting touches the file only."""
    path, token = tmp_path / "tokens.json", secret("environment token")
    stored = Tokens.open(path, {})
    await stored.set("huggingface.co", secret("older token"))
    tokens = await reopened(path, {"huggingface.co": token, "civitai.com": ""})
    with pytest.raises(TokenLocked):
        await tokens.set("hf.co", secret("newer token"))
    await tokens.delete("huggingface.co")

    assert tokens.get("huggingface.co") == token
    assert json.loads(path.read_text())["tokens"] == {}
    assert [(shown.host, shown.origin) for shown in tokens.describe()] == [("huggingface.co", "environment")]


async def test_a_description_shows_the_end_of_a_long_token_alone(tmp_path: Path) -> None:
    """Enough to tell two tokens apart, and nothing of a short one."""
    tokens = Tokens.open(tmp_path / "tokens.json", {"b.example": "short-one", "a.example": "hf_" + "x" * 30 + "Q7dZ"})

    assert [(shown.host, shown.ends_with) for shown in tokens.describe()] == [("a.example", "Q7dZ"), ("b.example", "")]


async def test_listeners_hear_of_every_change(tmp_path: Path) -> None:
    """Waiting downloads wake up when their host's token comes or changes; a deletion of nothing is no change."""
    tokens, heard = Tokens.open(tmp_path / "tokens.json", {}), list[str]()
    tokens.on_change(heard.append)
    await tokens.set("www.civitai.com", secret("a token"))
    await tokens.delete("civitai.com")
    await tokens.delete("civitai.com")

    assert heard == ["civitai.com", "civitai.com"]
    assert tokens.get("civitai.com") is None


async def test_every_token_is_known_to_redaction(tmp_path: Path) -> None:
    """Stored, from the environment, or refused: none can appear in a log."""
    one, two, three = (secret("a token", "plain-") for _ in range(3))
    tokens = Tokens.open(tmp_path / "tokens.json", {"a.example": one})
    await tokens.set("b.example", two)
    with pytest.raises(InvalidToken) as caught:
        await tokens.set("c.example", f"{three} {three}")

    assert not any(value in redact(f"{one} {two}") for value in (one, two))
    assert three not in str(caught.value.as_dict())


@pytest.mark.parametrize("host", ["", "a b", "host/path", "user@host", "../tokens", "host:port", "-host", "a" * 300])
async def test_only_hosts_have_tokens(tmp_path: Path, host: str) -> None:
    """A name that is not a host is refused in every verb."""
    tokens = Tokens.open(tmp_path / "tokens.json", {})
    for refused in (tokens.set(host, "a-good-token"), tokens.delete(host), tokens.validate(host)):
        with pytest.raises(InvalidTokenHost):
            await refused


async def test_a_damaged_file_never_stops_a_start(tmp_path: Path) -> None:
    """It is left alone until a token is stored; entries that are no tokens are left out; loose permissions are mended."""
    path = tmp_path / "tokens.json"
    for text in ("{", "[]", '{"tokens": 7}', '{"tokens": {"a": 7, "b": "with blank "}}'):
        path.write_text(text)
        path.chmod(0o644)
        assert (await reopened(path)).describe() == []
        assert path.read_text() == text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    """The old token stays in force and nobody hears of a change."""
    tokens, heard = Tokens.open(tmp_path / "missing" / "tokens.json", {}), list[str]()
    tokens.on_change(heard.append)
    with pytest.raises(OSError):
        await tokens.set("huggingface.co", secret("a token"))

    assert (tokens.get("huggingface.co"), heard) == (None, [])


async def test_a_check_needs_a_token_and_a_host_that_can_be_asked(tokens: Tokens, sources: Sources) -> None:
    """Other hosts have no such question."""
    with pytest.raises(TokenNotFound):
        await tokens.validate("huggingface.co")
    await tokens.set("nas.local:8080", secret("a token"))
    with pytest.raises(TokenCheckUnsupported):
        await tokens.validate("nas.local:8080")


async def test_a_token_may_belong_to_the_mirror_alone(
    tokens: Tokens, sources: Sources, hugging_face: HuggingFaceHub
) -> None:
    """A token kept under the endpoint's own name is used there in place of the hub's, and wakes what waits for the hub."""
    heard: list[str] = []
    tokens.on_change(heard.append)
    url = hugging_face.add("ada/secret", "a.bin", Content.random(100))
    hugging_face.hide("ada/secret", "ada")
    await tokens.set("huggingface.co", secret("a token of the real hub"))
    await tokens.set(hugging_face.site.authority, hugging_face.account("ada"))

    assert heard == ["huggingface.co", hugging_face.site.authority, "huggingface.co"]
    assert (await sources.resolve(FileRef(url))).size_bytes == 100
    assert await tokens.validate(hugging_face.site.authority) == "ada"
