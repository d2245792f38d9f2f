"""Small pictures and other formats: off the loop, made once, and never blown up."""

from __future__ import annotations

import asyncio
import io
import stat
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backend.generation.results import (
    Format,
    FormatNotOffered,
    NoThumbnail,
    PictureRefused,
    PicturesBusy,
    ResultGone,
    Workshop,
    pictures,
    workshop,
)
from backend.generation.results.item import Item, Kind
from backend.generation.results.posters import find_ffmpeg
from tests.generation.results import rig
from tests.generation.results.rig import ALICE, House

pytestmark = pytest.mark.anyio


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def entry(kind: Kind, mime: str, item_id: str = "a" * 24) -> Item:
    return Item(
        id=item_id, job_id="j", owner_id="alice", key="k", take=0, place=1, kind=kind, mime=mime, name="n", path="p/p/p",
        size_bytes=1, sha256="0" * 64, created_at="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "mime", "size"),
    [
        (rig.picture(size=(2000, 1000)), "image/png", (512, 256)),
        (rig.picture("JPEG", size=(1000, 4000)), "image/jpeg", (128, 512)),
        (rig.picture(size=(40, 30), mode="RGBA", colour=(1, 2, 3, 0)), "image/png", (40, 30)),
        (rig.picture(mode="P", colour=3), "image/png", (64, 48)),
        (rig.picture(mode="LA", colour=(3, 9)), "image/png", (64, 48)),
        (rig.picture(mode="I;16", colour=40_000), "image/png", (64, 48)),
        (rig.picture("JPEG", mode="CMYK", colour=(1, 2, 3, 4)), "image/jpeg", (64, 48)),
        (rig.picture("TIFF", mode="F", colour=0.5), "image/tiff", (64, 48)),
        (rig.animation("GIF"), "image/gif", (32, 24)),
        (rig.animation("WEBP"), "image/webp", (32, 24)),
        (rig.picture("AVIF"), "image/avif", (64, 48)),
    ],
)
def test_every_picture_has_a_small_one(content: bytes, mime: str, size: tuple[int, int], tmp_path: Path) -> None:
    """A WebP within 512 pixels, whatever the mode; nothing is enlarged."""
    path = tmp_path / "picture"
    path.write_bytes(content)
    small = opened(pictures.thumbnail(path, mime))

    assert (small.format, small.size) == ("WEBP", size)


def test_a_photo_is_shown_the_right_way_up(tmp_path: Path) -> None:
    """EXIF says that it was taken sideways; the size that is told says so too."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "photo.jpg"
    path.write_bytes(rig.picture("JPEG", size=(80, 40), exif=exif))

    assert pictures.size_of(path, "image/jpeg") == pictures.Size(40, 80)
    assert opened(pictures.thumbnail(path, "image/jpeg")).size == (40, 80)
    converted = opened(pictures.convert(path, "image/jpeg", Format.PNG, 80))
    assert (converted.size, dict(converted.getexif())) == ((40, 80), {})


@pytest.mark.parametrize("wanted", list(Format))
def test_every_format_can_be_had(wanted: Format, tmp_path: Path) -> None:
    """What can be seen through becomes white where the format knows no better; the graph does not go along."""
    path = tmp_path / "picture.png"
    path.write_bytes(rig.png())
    plain = opened(pictures.convert(path, "image/png", wanted, 80))
    assert (plain.format, plain.size) == (wanted.value.upper(), (64, 48))
    assert "prompt" not in plain.info
    path.write_bytes(rig.picture(mode="RGBA", colour=(255, 0, 0, 0)))
    clear = opened(pictures.convert(path, "image/png", wanted, 95)).convert("RGBA")

    assert clear.getpixel((5, 5)) == (255, 255, 255, 255) if wanted is Format.JPEG else clear.getpixel((5, 5))[3] == 0


def test_quality_decides_the_size(tmp_path: Path) -> None:
    """Less quality, fewer bytes."""
    path = tmp_path / "noise.png"
    target = io.BytesIO()
    Image.effect_noise((256, 256), 80).save(target, "PNG")
    path.write_bytes(target.getvalue())
    sizes = [len(pictures.convert(path, "image/png", Format.WEBP, quality)) for quality in (10, 50, 95)]

    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(
    ("content", "mime"),
    [
        (rig.bomb(), "image/png"),
        (b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\0\0\0\0\xff\xff\xff\xff\0\x02\x00;", "image/gif"),
        (b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\xff\xff\xff\xff\xff\xff", "image/webp"),
        (rig.png()[:-40], "image/png"),
        (rig.picture("JPEG")[:200], "image/jpeg"),
        (b"BM" + bytes(60), "image/bmp"),
        (rig.png(), "image/jpeg"),
        (b"", "image/png"),
    ],
)
def test_bombs_and_ruins_are_refused(content: bytes, mime: str, tmp_path: Path) -> None:
    """Before a pixel is unpacked where there are too many; never with another error, never with a warning."""
    path = tmp_path / "picture"
    path.write_bytes(content)
    with pytest.raises(PictureRefused):
        pictures.thumbnail(path, mime)


def test_a_side_that_a_format_cannot_say_is_refused(tmp_path: Path) -> None:
    """WebP ends at 16,383 pixels."""
    path = tmp_path / "wide.png"
    path.write_bytes(rig.picture(size=(16_384, 1)))
    with pytest.raises(PictureRefused, match="16,383"):
        pictures.convert(path, "image/png", Format.WEBP, 80)
    assert pictures.convert(path, "image/png", Format.PNG, 80)


async def test_a_small_picture_is_made_once_and_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten ask at once, one is made; later it comes from the disk, also when its file is gone."""
    made: list[Path] = []
    make = pictures.thumbnail

    def counted(path: Path, mime: str) -> bytes:
        made.append(path)
        return make(path, mime)

    monkeypatch.setattr(pictures, "thumbnail", counted)
    (kept,) = await house.keep({"a.png": rig.png()})
    found = await asyncio.gather(*(house.results.gallery.thumbnail(kept.id, ALICE) for _ in range(10)))
    assert len({path for _, path in found}) == len(made) == 1
    assert found[0][1].relative_to(house.outputs).as_posix() == kept.thumbnail
    (house.outputs / "2026-11/job1/01.png").unlink()
    await house.results.gallery.thumbnail(kept.id, ALICE)

    assert len(made) == 1


async def test_who_leaves_spoils_it_for_nobody(house: House) -> None:
    """The picture is made for whoever still waits."""
    (kept,) = await house.keep({"a.png": rig.png()})
    first = asyncio.create_task(house.results.gallery.thumbnail(kept.id, ALICE))
    second = asyncio.create_task(house.results.gallery.thumbnail(kept.id, ALICE))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second)[1].is_file
    assert first.cancelled() or await asyncio.wait([first])


async def test_what_cannot_be_seen_says_so(house: House) -> None:
    """Sound, shapes and words have no picture, and their list entry promises none."""
    kept = await house.keep({"a.wav": rig.wav(), "b.txt": b"words", "c.png": rig.bomb(), "d.svg": b"<svg></svg>"})
    assert [each.thumbnail is None for each in kept] == [True, True, False, True]
    for each, error in zip(kept, (NoThumbnail, NoThumbnail, PictureRefused, NoThumbnail), strict=True):
        with pytest.raises(error):
            await house.results.gallery.thumbnail(each.id, ALICE)
    with pytest.raises(FormatNotOffered):
        await house.results.gallery.convert(kept[0].id, ALICE, Format.PNG, 80)
    with pytest.raises(PictureRefused):
        await house.results.gallery.convert(kept[2].id, ALICE, Format.PNG, 80)


async def test_a_file_that_is_gone_is_named(house: House) -> None:
    """Somebody tidied by hand."""
    (kept,) = await house.keep({"a.png": rig.png()})
    (house.outputs / "2026-11/job1/01.png").unlink()
    for attempt in (
        house.results.gallery.file(kept.id, ALICE), house.results.gallery.thumbnail(kept.id, ALICE),
        house.results.gallery.convert(kept.id, ALICE, Format.PNG, 80),
    ):  # fmt: skip
        with pytest.raises(ResultGone):
            await attempt


async def test_too_many_pictures_at_once_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a word when to come again."""
    monkeypatch.setattr(workshop, "_MAX_WAITING", 0)
    made = Workshop(tmp_path, ffmpeg=None)
    with pytest.raises(PicturesBusy) as caught:
        await made.thumbnail(entry(Kind.IMAGE, "image/png"), tmp_path / "x")
    await made.close()

    assert caught.value.details["retry_after_s"]


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


async def test_videos_have_posters_where_there_is_ffmpeg(tmp_path: Path) -> None:
    """What the program writes becomes the small picture; it is told to open nothing but the file."""
    frame, video, told = tmp_path / "frame.png", tmp_path / "a.mp4", tmp_path / "told"
    frame.write_bytes(rig.picture(size=(512, 288)))
    video.write_bytes(rig.mp4())
    ffmpeg = program(tmp_path / "ffmpeg", f'echo "$@" > {told}; cat {frame}')
    made = Workshop(tmp_path / "outputs", ffmpeg=ffmpeg)
    kept = await made.thumbnail(entry(Kind.VIDEO, "video/mp4"), video)
    await made.close()

    assert opened(kept.read_bytes()).size == (512, 288)
    assert f"-protocol_whitelist file -i file:{video}" in told.read_text()
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


async def test_a_video_without_a_poster_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ffmpeg, one that fails, one that never ends: each has its answer, and no process stays."""
    video = tmp_path / "a.mp4"
    video.write_bytes(rig.mp4())
    monkeypatch.setattr("backend.generation.results.posters._TIMEOUT_S", 0.3)
    pid = tmp_path / "pid"
    for ffmpeg, error in (
        (None, NoThumbnail),
        (program(tmp_path / "fails", "exit 1"), PictureRefused),
        (program(tmp_path / "words", "echo no picture"), PictureRefused),
        (program(tmp_path / "hangs", f"echo $$ > {pid}; exec sleep 60"), PictureRefused),
    ):
        made = Workshop(tmp_path / "outputs", ffmpeg=ffmpeg)
        with pytest.raises(error):
            await made.thumbnail(entry(Kind.VIDEO, "video/mp4"), video)
        await made.close()

    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


@pytest.mark.skipif(find_ffmpeg() is None, reason="needs ffmpeg")
async def test_the_real_ffmpeg_makes_a_poster(tmp_path: Path) -> None:
    """A film of one colour has a poster of that colour."""
    video, ffmpeg = tmp_path / "a.mp4", find_ffmpeg()
    arguments: list[Any] = ["-v", "error", "-f", "lavfi", "-i", "color=red:s=1024x512:d=1", video]
    process = await asyncio.create_subprocess_exec(str(ffmpeg), *arguments)
    assert await process.wait() == 0
    made = Workshop(tmp_path / "outputs", ffmpeg=ffmpeg)
    kept = await made.thumbnail(entry(Kind.VIDEO, "video/mp4"), video)
    await made.close()

    assert opened(kept.read_bytes()).size == (512, 256)
