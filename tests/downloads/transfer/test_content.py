"""Not everything that arrives is a model: pages, pointers, error messages and stumps are named and never published."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import pytest

from backend.downloads.errors import NotAModel, TruncatedFile
from tests.downloads.transfer.workbench import MIB, Workbench
from tests.fakes.content import Content
from tests.fakes.model_host import HtmlPage, ModelHost

pytestmark = pytest.mark.anyio

FILE = Content.safetensors(20 * MIB + 5, seed=1)
PAGE = b"<!doctype html><html><body>Log in</body></html>" + b" " * 5000
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
MESSAGE = b'{"error":"Repository not found"}'


def archive() -> bytes:
    """Return a small zip, as torch.save writes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("model/data.pkl", bytes(100_000))
    return buffer.getvalue()


def gguf(weights: int) -> bytes:
    """Return a whole GGUF file with one float tensor."""
    entry = struct.pack("<Q", 4) + b"name" + struct.pack("<IQ", 8, 3) + b"foo"
    tensor = struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, weights, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + entry + tensor
    return head + bytes(-len(head) % 32) + bytes(4 * weights)


@pytest.mark.parametrize("body", [PAGE, POINTER, MESSAGE, b"\xef\xbb\xbf \n" + PAGE], ids=lambda body: body[:12])
@pytest.mark.parametrize("promised", [True, False])
async def test_what_is_no_model_is_named(bench: Workbench, model_host: ModelHost, body: bytes, promised: bool) -> None:
    """Whatever type the host claims, the first bytes tell, also where a checksum would only say that it differs."""
    url = model_host.put("/a", Content.of(body))
    with pytest.raises(NotAModel) as refused:
        await bench.fetch(url, sha256=FILE.sha256 if promised else None)
    assert not refused.value.retryable
    assert not bench.destination.exists()
    assert bench.leftovers == []


async def test_a_page_of_the_type_of_a_page_is_refused_by_its_head(bench: Workbench, model_host: ModelHost) -> None:
    """Nothing of it is even written."""
    with pytest.raises(NotAModel):
        await bench.fetch(model_host.put("/a", FILE, HtmlPage()))
    assert len(model_host.requests) == 1
    assert bench.leftovers == []


async def test_a_page_in_the_middle_is_waited_out(bench: Workbench, model_host: ModelHost) -> None:
    """A host that shows a maintenance page for a moment loses nothing."""
    fetched = await bench.fetch(model_host.put("/a", FILE, HtmlPage(first=2, times=2)))
    assert await bench.holds(FILE)
    assert fetched.restarts == 0


async def test_a_page_that_stays_is_named_and_the_beginning_kept(bench: Workbench, model_host: ModelHost) -> None:
    """What came before was the file."""
    with pytest.raises(NotAModel):
        await bench.fetch(model_host.put("/a", FILE, HtmlPage(first=2)))
    assert (await bench.durable_bytes() or 0) == 4 * MIB


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("a.safetensors", Content.safetensors(3 * MIB, seed=5).read()),
        ("a.gguf", gguf(50_000)),
        ("a.pt", archive()),
        ("a.ckpt", archive()),
    ],
)
async def test_a_stump_at_the_host_is_named(bench: Workbench, model_host: ModelHost, name: str, whole: bytes) -> None:
    """The host's own copy is cut: its length is honest, its frame is not complete. The whole one passes."""
    destination = bench.folder / "models" / name
    with pytest.raises(TruncatedFile):
        await bench.fetch(model_host.put("/a", Content.of(whole[: len(whole) - 1000])), destination=destination)
    assert list(destination.parent.iterdir()) == []
    await bench.fetch(model_host.put("/a", Content.of(whole)), destination=destination)
    assert destination.read_bytes() == whole


@pytest.mark.parametrize("name", ["a.safetensors", "a.gguf", "a.pth"])
async def test_the_wrong_magic_is_named(bench: Workbench, model_host: ModelHost, name: str) -> None:
    """Noise under the name of a model."""
    destination = bench.folder / "models" / name
    with pytest.raises(NotAModel):
        await bench.fetch(model_host.put("/a", Content.random(100_000)), destination=destination)
    assert list(destination.parent.iterdir()) == []


async def test_a_promised_checksum_outranks_our_idea_of_a_format(bench: Workbench, model_host: ModelHost) -> None:
    """Whoever promised these bytes wanted these bytes."""
    odd = Content.random(100_000, seed=9)
    fetched = await bench.fetch(model_host.put("/a", odd), sha256=odd.sha256)
    assert fetched.verified
    assert await bench.holds(odd)


async def test_small_text_files_are_files_too(bench: Workbench, model_host: ModelHost) -> None:
    """A configuration beside a model may say anything."""
    body = json.dumps({"error": "is a word"}).encode()
    destination = bench.folder / "models" / "config.json"
    await bench.fetch(model_host.put("/a", Content.of(body, content_type="application/json")), destination=destination)
    assert destination.read_bytes() == body
