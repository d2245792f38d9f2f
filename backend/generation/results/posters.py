"""The first frame of a video, by ffmpeg where the machine has one."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from backend.generation.results.errors import NoThumbnail, PictureRefused
from backend.generation.results.formats import THUMBNAIL_PIXELS

_TIMEOUT_S = 20
_MAX_BYTES = 8 << 20  # a PNG of 512 x 512 pixels has at most 1 MiB
_FIT = f"scale='min({THUMBNAIL_PIXELS},iw)':'min({THUMBNAIL_PIXELS},ih)':force_original_aspect_ratio=decrease"


def find_ffmpeg() -> Path | None:
    """Return where ffmpeg is; blocking."""
    found = shutil.which("ffmpeg")
    return None if found is None else Path(found)


async def poster(video: Path, ffmpeg: Path | None) -> bytes:
    """Return the first frame as a PNG that fits into 512 x 512 pixels.

    Raises:
        NoThumbnail: There is no ffmpeg here.
        PictureRefused: ffmpeg finds no frame, or takes longer than 20 s.
    Cancelled: the process is killed and waited for.
    """
    if ffmpeg is None:
        raise NoThumbnail(
            "Posters of videos need ffmpeg, which this machine does not have.",
            hint="Install ffmpeg and start Hearth again; the video itself can be played.",
        )
    process = await asyncio.create_subprocess_exec(
        ffmpeg, "-nostdin", "-v", "error",
        # A playlist in a video's clothes must not make ffmpeg open other files or addresses.
        "-protocol_whitelist", "file", "-i", f"file:{video}",
        "-map", "0:v:0", "-frames:v", "1", "-vf", _FIT, "-f", "image2pipe", "-c:v", "png", "pipe:1",
        stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, limit=_MAX_BYTES,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            assert process.stdout is not None
            frame = await process.stdout.read(_MAX_BYTES)
            while len(frame) < _MAX_BYTES and (more := await process.stdout.read(_MAX_BYTES - len(frame))):
                frame += more
            await process.wait()
    except TimeoutError:
        raise PictureRefused(f"ffmpeg found no frame within {_TIMEOUT_S} s.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    if process.returncode != 0 or not frame:
        raise PictureRefused("ffmpeg finds no frame in the video.")
    return frame
