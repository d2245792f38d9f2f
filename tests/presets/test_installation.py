"""What is installed is read off the files themselves, never off their mere existence."""

from __future__ import annotations

import asyncio
import io
import os
import zipfile
from typing import Any

import pytest

from backend.kit.files import FileIdentity, VerifiedFile
from backend.presets.installation import ActiveDownload, FileState, Inspector, PresetState, Status, judge_preset
from backend.presets.preset import Origin
from backend.presets.schema import check_preset, to_preset
from tests.presets.shelf import HOST, Shelf, definition, file, partial_bytes, sha256, weights

GOOD = weights(b"good weights")
HTML = b"<!DOCTYPE html><html><body>Please sign in</body></html>"


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    return buffer.getvalue()


def inspector(shelf: Shelf) -> Inspector:
    return Inspector(shelf.paths, shelf.ledger, partial_bytes)


def judged(
    shelf: Shelf, *files: dict[str, Any], download: ActiveDownload | None = None, promised: dict[str, str] | None = None
) -> PresetState:
    preset = to_preset(check_preset(definition("a", *files)), Origin.SHIPPED)
    return judge_preset(preset, inspector(shelf).look_at_all([preset]), download, promised or {})


def status(shelf: Shelf, content: bytes, name: str = "m.safetensors", **promises: Any) -> FileState:
    shelf.put(name, content)
    return judged(shelf, file(name, **promises)).files[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.safetensors", GOOD),
        ("m.gguf", b"GGUF" + b"\0" * 40),
        ("m.pth", zipped()),
        ("m.ckpt", b"\x80\x02" + b"\0" * 40),
        ("m.bin", b"anything"),
        ("config.json", b'{"error": "is a fine key in a text file"}'),
    ],
    ids=["safetensors", "gguf", "zip", "pickle", "bin", "text"],
)
def test_a_plausible_file_is_unverified(shelf: Shelf, name: str, content: bytes):
    """A file that somebody copied there may be right; nobody has vouched for it."""
    found = status(shelf, content, name)
    assert (found.status, found.problem) == (Status.INSTALLED_UNVERIFIED, None)
    assert found.bytes_present == len(content)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("m.safetensors", GOOD[:-3], "truncated"),
        ("m.safetensors", GOOD[:20], "header is not complete"),
        ("m.safetensors", GOOD + b"more", "longer than"),
        ("m.safetensors", b"", "empty"),
        ("m.safetensors", HTML, "web page"),
        ("m.gguf", HTML, "web page"),
        ("m.ckpt", HTML, "web page"),
        ("m.bin", b'{"error": "Repository not found"}', "error message"),
        ("m.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        ("m.safetensors", b"\xff" * 100, "does not begin"),
        ("m.safetensors", b"\x05\0\0\0\0\0\0\0[1,2]", "damaged"),
        ("m.pth", b"not a pickle", "does not begin as a PyTorch"),
    ],
    ids=[
        "cut", "cut header", "longer", "empty", "page", "page gguf", "page ckpt", "error", "pointer", "noise", "list",
        "no pickle",
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_the_model_is_damaged(shelf: Shelf, name: str, content: bytes, complaint: str):
    """Half a file, a login page or a pointer is never installed, and the reason is said."""
    found = status(shelf, content, name)
    assert found.status is Status.DAMAGED
    assert complaint in (found.problem or "")


def test_a_wrong_size_is_damaged_and_a_wrong_estimate_is_not(shelf: Shelf):
    """Exact sizes are promises, estimates are not."""
    assert status(shelf, GOOD, size_bytes=len(GOOD)).status is Status.INSTALLED_UNVERIFIED
    wrong = status(shelf, GOOD, size_bytes=len(GOOD) + 1)
    assert wrong.status is Status.DAMAGED
    assert str(len(GOOD) + 1) in (wrong.problem or "")
    assert status(shelf, GOOD, size_estimate_bytes=1).status is Status.INSTALLED_UNVERIFIED


def test_a_matching_record_makes_it_installed(shelf: Shelf):
    """Verified bytes count until the file changes."""
    path = shelf.put("m.safetensors", GOOD)
    shelf.record_now(path, GOOD)
    wanted = file("m.safetensors", content=GOOD)
    assert judged(shelf, wanted).status is Status.INSTALLED
    path.write_bytes(GOOD[:-1] + b"!")
    assert judged(shelf, wanted).status is Status.INSTALLED_UNVERIFIED
    os.utime(path, ns=(1, 1))
    shelf.record_now(path, path.read_bytes())
    assert judged(shelf, wanted).status is Status.DAMAGED, "its checksum is now known to be another"


@pytest.mark.parametrize(
    ("verified", "url", "expected"),
    [
        (True, f"{HOST}/m.safetensors", Status.INSTALLED),
        (True, "https://mirror.example/m.safetensors", Status.INSTALLED),
        (True, None, Status.INSTALLED),
        (True, f"{HOST}/another-model.safetensors", Status.INSTALLED_UNVERIFIED),
        (False, f"{HOST}/m.safetensors", Status.INSTALLED_UNVERIFIED),
    ],
)
def test_without_a_checksum_the_source_vouches(shelf: Shelf, verified: bool, url: str | None, expected: Status):
    """What a hub verified counts for the preset that means this address, and for no other."""
    path = shelf.put("m.safetensors", GOOD)
    shelf.record_now(path, GOOD, verified=verified, url=url)
    assert judged(shelf, file("m.safetensors")).status is expected


def test_a_promise_of_the_host_counts_like_a_checksum(shelf: Shelf):
    """A hub that promised another checksum makes a recorded file damaged, the same one makes it installed."""
    path = shelf.put("m.safetensors", GOOD)
    shelf.record_now(path, GOOD, verified=False)
    url = f"{HOST}/m.safetensors"
    assert judged(shelf, file("m.safetensors"), promised={url: "0" * 64}).status is Status.DAMAGED
    assert judged(shelf, file("m.safetensors"), promised={url: sha256(GOOD)}).status is Status.INSTALLED


def test_unfinished_transfers_are_partial(shelf: Shelf):
    """What has arrived durably is subtracted from what is missing."""
    shelf.put("m.safetensors.part", b"x" * 30)
    state = judged(shelf, file("m.safetensors", size_bytes=100))
    assert (state.status, state.bytes_missing, state.files[0].bytes_present) == (Status.PARTIAL, 70, 30)


def test_a_preset_is_what_its_files_are(shelf: Shelf):
    """Some files are partial, one bad file makes it damaged, an active job outranks all."""
    one, two = file("one.safetensors", size_bytes=len(GOOD)), file("two.safetensors", size_estimate_bytes=50)
    assert judged(shelf, one, two).status is Status.ABSENT
    assert judged(shelf, one, two).bytes_missing == len(GOOD) + 50
    path = shelf.put("one.safetensors", GOOD)
    assert judged(shelf, one, two).status is Status.PARTIAL
    assert judged(shelf, one, two).bytes_missing == 50
    shelf.put("two.safetensors", GOOD)
    assert judged(shelf, one, two).status is Status.INSTALLED_UNVERIFIED
    shelf.record_now(path, GOOD, url=f"{HOST}/one.safetensors")
    assert judged(shelf, one, two).status is Status.INSTALLED_UNVERIFIED
    shelf.put("two.safetensors", HTML)
    damaged = judged(shelf, one, two)
    assert (damaged.status, damaged.bytes_missing) == (Status.DAMAGED, 50), "a damaged file has to come again, whole"
    active = judged(shelf, one, two, download=ActiveDownload("job", "paused", None))
    assert active.status is Status.DOWNLOADING
    assert [each.status for each in active.files] == [Status.INSTALLED, Status.DAMAGED]


def test_unknown_sizes_are_not_guessed(shelf: Shelf):
    """A missing file of unknown size makes the missing bytes unknown."""
    assert judged(shelf, file("a.bin", size_bytes=5), file("b.bin")).bytes_missing is None
    shelf.put("b.bin", b"x")
    assert judged(shelf, file("a.bin", size_bytes=5), file("b.bin")).bytes_missing == 5


def test_a_category_that_comfyui_does_not_have_is_absent(shelf: Shelf):
    """A preset for another program costs nobody else the list."""
    assert judged(shelf, file("x.bin", "martian_models")).status is Status.ABSENT


def test_a_file_is_found_under_its_older_folder_name(shelf: Shelf):
    """What lies in `clip` is a text encoder."""
    (shelf.models / "clip").mkdir(exist_ok=True)
    (shelf.models / "clip" / "t5.safetensors").write_bytes(GOOD)
    shelf.paths.refresh()
    found = judged(shelf, file("t5.safetensors", "text_encoders")).files[0]
    assert found.path == shelf.models / "clip" / "t5.safetensors"


def test_the_header_is_read_once_per_file(shelf: Shelf):
    """Looking again at an unchanged file reads nothing; a changed one is read anew."""
    path = shelf.put("m.safetensors", GOOD)
    eye = inspector(shelf)
    place = ("checkpoints", "m.safetensors")
    assert eye.look(place).header_problem is None
    accessed = path.stat().st_atime_ns
    os.utime(path, ns=(1, path.stat().st_mtime_ns))
    assert eye.look(place).header_problem is None
    assert path.stat().st_atime_ns == 1 != accessed, "relatime would have moved the access time on a read"
    path.write_bytes(HTML)
    assert "web page" in (eye.look(place).header_problem or "")


def test_an_unreadable_file_is_damaged(shelf: Shelf, monkeypatch: pytest.MonkeyPatch):
    """A disk that fails is said, and does not take the list down."""
    path = shelf.put("m.safetensors", GOOD)

    def fail(*_: object) -> str | None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("backend.presets.installation.header_problem", fail)
    found = judged(shelf, file("m.safetensors")).files[0]
    assert found.status is Status.DAMAGED
    assert "Permission denied" in (found.problem or "")
    assert found.path == path


def test_a_record_of_another_file_does_not_count(shelf: Shelf):
    """A record vouches for bytes, not for a name."""
    path = shelf.put("m.safetensors", GOOD)
    seen = FileIdentity.of(path)
    other = VerifiedFile(path, seen.size_bytes, seen.mtime_ns, seen.inode + 1, sha256(GOOD), verified=True)
    asyncio.run(shelf.ledger.record(other))
    assert judged(shelf, file("m.safetensors", content=GOOD)).status is Status.INSTALLED_UNVERIFIED
