"""Exact sizes and checksums from a hub, through the real sources and a real server."""

import pytest

from scripts import build_catalog
from scripts.catalog.facts import ResolvedFact, read_resolved, write_resolved
from scripts.catalog.resolve import ask_hubs
from tests.fakes.content import Content

pytestmark = pytest.mark.anyio


async def test_the_hub_gives_size_checksum_and_commit(hugging_face):
    """One HEAD per address, no body, the commit pinned."""
    content = Content.random(100_000, seed=1)
    hugging_face.add("ada/set", "vae/a.safetensors", content)
    url = hugging_face.public_url("ada/set", "vae/a.safetensors")
    answers, refusals = await ask_hubs([url, url], {"HF_ENDPOINT": hugging_face.endpoint})
    assert refusals == {}
    assert answers[url].size_bytes == 100_000
    assert answers[url].sha256 == content.sha256
    assert len(answers[url].revision or "") == 40
    assert {seen.method for seen in hugging_face.site.requests} == {"HEAD"}
    assert hugging_face.cdn.host.requests == []


async def test_a_refusal_is_told_and_the_rest_goes_on(hugging_face):
    """A gated repository and a missing file do not stop the others."""
    for repo in ("ada/open", "ada/gated"):
        hugging_face.add(repo, "a.safetensors", Content.random(1_000, seed=2))
    hugging_face.gate("ada/gated")
    urls = [hugging_face.public_url(repo, "a.safetensors") for repo in ("ada/gated", "ada/open")]
    missing = urls[1].replace("a.safetensors", "b.safetensors")
    answers, refusals = await ask_hubs([*urls, missing], {"HF_ENDPOINT": hugging_face.endpoint})
    assert answers.keys() == {urls[1]}
    assert refusals[urls[0]].startswith("gated_no_token: ")
    assert refusals[missing].startswith("file_not_found: ")


async def test_a_token_of_the_environment_opens_a_gated_repository(hugging_face):
    """The token reaches the hub and appears nowhere in the answers."""
    hugging_face.add("ada/gated", "a.safetensors", Content.random(1_000, seed=3))
    hugging_face.gate("ada/gated")
    token = hugging_face.account("bob")
    hugging_face.accept("ada/gated", "bob")
    url = hugging_face.public_url("ada/gated", "a.safetensors")
    environment = {"HF_ENDPOINT": hugging_face.endpoint, "HF_TOKEN": token}
    answers, refusals = await ask_hubs([url], environment)
    assert answers[url].size_bytes == 1_000
    assert token not in f"{answers}{refusals}"


async def test_a_file_without_a_vouched_checksum_stays_unknown(hugging_face):
    """A size alone proves nothing about tomorrow."""
    hugging_face.add("ada/set", "a.json", Content.of("{}"), lfs=False)
    url = hugging_face.public_url("ada/set", "a.json")
    assert await ask_hubs([url], {"HF_ENDPOINT": hugging_face.endpoint}) == ({}, {})


def test_answers_survive_writing_and_reading(tmp_path):
    """The file is sorted by address."""
    facts = {"https://b": ResolvedFact(sha256="ab" * 32), "https://a": ResolvedFact(size_bytes=7, revision="main")}
    write_resolved(tmp_path / "facts.json", facts)
    assert read_resolved(tmp_path / "facts.json") == facts
    assert (text := (tmp_path / "facts.json").read_text()).index("https://a") < text.index("https://b")


def test_the_door_writes_what_the_hub_answered(hugging_face, tmp_path, monkeypatch, capsys):
    """--resolve puts exact numbers into the presets; what a hub refuses keeps its estimate."""
    content = Content.random(5_000, seed=4)
    hugging_face.add("Comfy-Org/Real-ESRGAN_repackaged", "RealESRGAN_x4plus.safetensors", content)
    monkeypatch.setenv("HF_ENDPOINT", hugging_face.endpoint)
    monkeypatch.setattr(build_catalog, "RESOLVED_FACTS", tmp_path / "resolved.json")
    assert build_catalog.main(["--resolve", "--output", str(tmp_path / "presets")]) == 0
    (fact,) = read_resolved(tmp_path / "resolved.json").values()
    assert (fact.size_bytes, fact.sha256) == (5_000, content.sha256)
    written = (tmp_path / "presets" / "tools" / "realesrgan-x4plus.json").read_text()
    assert f'"sha256": "{content.sha256}"' in written
    assert '"size_bytes": 5000' in written
    assert '"size_estimate_bytes"' in (tmp_path / "presets" / "image" / "sdxl-base.json").read_text()
    assert "not_found: " in capsys.readouterr().err
