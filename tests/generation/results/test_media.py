"""Bytes decide what a file is, headers how large and long; names and damage change nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.generation.results import PictureRefused, pictures
from backend.generation.results.formats import can_open
from backend.generation.results.item import Kind
from backend.generation.results.measure import Measured, measure_media
from backend.generation.results.media import sniff
from tests.generation.results import rig

CASES = [
    ("a.png", rig.png(), "image/png", Kind.IMAGE, "png"),
    ("a.png", rig.picture("JPEG"), "image/jpeg", Kind.IMAGE, "jpg"),
    ("a.jpg", rig.picture("WEBP"), "image/webp", Kind.IMAGE, "webp"),
    ("a", rig.picture("AVIF"), "image/avif", Kind.IMAGE, "avif"),
    ("a.png", rig.picture("BMP"), "image/bmp", Kind.IMAGE, "bmp"),
    ("a.tif", rig.picture("TIFF"), "image/tiff", Kind.IMAGE, "tiff"),
    ("a.gif", rig.picture("GIF"), "image/gif", Kind.IMAGE, "gif"),
    ("a.png", rig.animation("PNG"), "image/png", Kind.ANIMATION, "png"),
    ("a.webp", rig.animation("WEBP"), "image/webp", Kind.ANIMATION, "webp"),
    ("a.gif", rig.animation("GIF"), "image/gif", Kind.ANIMATION, "gif"),
    ("a.png", rig.mp4(), "video/mp4", Kind.VIDEO, "mp4"),
    ("a.mp4", rig.mp4(brand=b"qt  "), "video/quicktime", Kind.VIDEO, "mov"),
    ("a.mp4", rig.mp4(brand=b"M4A "), "audio/mp4", Kind.AUDIO, "m4a"),
    ("a.mp4", rig.webm(), "video/webm", Kind.VIDEO, "webm"),
    ("a.flac", rig.flac(), "audio/flac", Kind.AUDIO, "flac"),
    ("a.flac", rig.wav(), "audio/wav", Kind.AUDIO, "wav"),
    ("a.bin", rig.mp3(), "audio/mpeg", Kind.AUDIO, "mp3"),
    ("a.bin", rig.mp3()[138:], "audio/mpeg", Kind.AUDIO, "mp3"),
    ("a.opus", b"OggS" + bytes(24) + b"OpusHead" + bytes(99), "audio/ogg", Kind.AUDIO, "opus"),
    ("a.bin", b"glTF\x02\0\0\0" + bytes(20), "model/gltf-binary", Kind.MODEL, "glb"),
    ("a.ply", b"ply\nformat ascii 1.0\n", "model/ply", Kind.MODEL, "ply"),
    ("a.obj", b"v 0 0 0\nf 1 1 1\n", "model/obj", Kind.MODEL, "obj"),
    ("a.stl", bytes(84), "model/stl", Kind.MODEL, "stl"),
    ("a.latent", rig.latent(), "application/x-latent", Kind.LATENT, "latent"),
    ("a.latent", rig.latent()[:-1], "application/octet-stream", Kind.FILE, "latent"),
    ("a.txt", "grüße".encode(), "text/plain", Kind.TEXT, "txt"),
    ("a.png", b"just words", "text/plain", Kind.TEXT, "txt"),
    ("a.json", b'{"a": 1}', "application/json", Kind.TEXT, "json"),
    ("a.svg", b'<?xml version="1.0"?><svg/>', "image/svg+xml", Kind.IMAGE, "svg"),
    ("a.txt", b"\xef\xbb\xbf  <!DOCTYPE html><script>", "application/octet-stream", Kind.FILE, "bin"),
    ("a.obj", b"<html>", "application/octet-stream", Kind.FILE, "bin"),
    ("a.weird!", b"\0\1\2", "application/octet-stream", Kind.FILE, "bin"),
    ("a.Q9", b"\0\1\2", "application/octet-stream", Kind.FILE, "q9"),
    ("a.png", b"", "application/octet-stream", Kind.FILE, "png"),
]


@pytest.mark.parametrize(("name", "content", "mime", "kind", "extension"), CASES)
def test_the_content_decides(name: str, content: bytes, mime: str, kind: Kind, extension: str, tmp_path: Path) -> None:
    """Whatever ComfyUI called it; a page is never more than bytes."""
    path = tmp_path / "file"
    path.write_bytes(content)
    found = sniff(path, name)

    assert (found.mime, found.kind, found.extension) == (mime, kind, extension)


@pytest.mark.parametrize(
    ("content", "mime", "expected"),
    [
        (rig.animation("PNG", 3, 200), "image/png", Measured(duration_s=0.6)),
        (rig.animation("WEBP", 3, 200), "image/webp", Measured(duration_s=0.6)),
        (rig.animation("GIF", 4, 150), "image/gif", Measured(duration_s=0.6)),
        (rig.png(), "image/png", Measured()),
        (rig.mp4(), "video/mp4", Measured(320, 240, 2.5)),
        (rig.webm(), "video/webm", Measured(640, 360, 4.0)),
        (rig.wav(), "audio/wav", Measured(duration_s=1.5)),
        (rig.flac(), "audio/flac", Measured(duration_s=3.0)),
        (rig.mp3(), "audio/mpeg", Measured(duration_s=1.306)),
        (rig.mp3(xing=False), "audio/mpeg", Measured(duration_s=1.303)),
    ],
)
def test_headers_tell_size_and_length(content: bytes, mime: str, expected: Measured, tmp_path: Path) -> None:
    """No frame and no sample is decoded."""
    path = tmp_path / "file"
    path.write_bytes(content)

    assert measure_media(path, mime) == expected


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.integers(0, len(CASES) - 1),
    kept=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
)
def test_damage_is_never_an_error(number: int, kept: float, flips: list[tuple[float, int]], tmp_path: Path) -> None:
    """Cut or flipped anywhere, a file is still some kind of file, measured or not."""
    name, content, *_ = CASES[number]
    damaged = bytearray(content[: round(kept * len(content))])
    for place, value in flips:
        if damaged:
            damaged[int(place * len(damaged))] = value
    path = tmp_path / "file"
    path.write_bytes(damaged)
    found = sniff(path, name)
    measured = measure_media(path, found.mime)
    if can_open(found.mime):
        pictures.size_of(path, found.mime)
        with contextlib.suppress(PictureRefused):
            pictures.thumbnail(path, found.mime)

    assert all(
        value is None or 0 <= value <= 10_000_000 for value in (measured.width, measured.height, measured.duration_s)
    )


@pytest.mark.parametrize("milliseconds", [float("nan"), float("inf"), -1.0, 1e300])
def test_a_length_that_nothing_has_is_none(milliseconds: float, tmp_path: Path) -> None:
    """Neither JSON nor a person could read it."""
    path = tmp_path / "file.webm"
    path.write_bytes(rig.webm(milliseconds=milliseconds))

    assert measure_media(path, "video/webm") == Measured(640, 360, None)


def test_a_cut_gif_is_still_a_gif(tmp_path: Path) -> None:
    """Its first six bytes are all that is there."""
    path = tmp_path / "file.gif"
    path.write_bytes(b"GIF89a")

    assert sniff(path, "a.gif").mime == "image/gif"
