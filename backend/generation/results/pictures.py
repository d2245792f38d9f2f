"""Open pictures without being blown up by them, make small ones, and write them in other formats.

Every function here is blocking and meant for the threads of :mod:`backend.generation.results.workshop`, as is the import:
whoever never looks at a picture never loads Pillow. A picture's size is read from its header and judged before a single
pixel is unpacked.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from backend.generation.results.errors import PictureRefused
from backend.generation.results.formats import DECODERS, THUMBNAIL_PIXELS, Format

# Pillow complains about a damaged file on standard error too; whoever asked for the picture is told anyway.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

MAX_PIXELS = 100_000_000  # 400 MB unpacked as RGBA; two threads work at once
_THUMBNAIL_QUALITY = 80
_MAX_SIDE = {"webp": 16_383, "jpeg": 65_535}  # what the formats can say

# Pillow's decoders parse foreign bytes, and raise whatever their arithmetic runs into: RuntimeError, SyntaxError, …
_DAMAGED = (Exception,)

# Pillow would warn at one limit and raise at twice that; here there is one limit, and it is asked before unpacking.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class Size:
    """Pixels."""

    width: int
    height: int


def size_of(path: Path, mime: str) -> Size | None:
    """Return the size that the header says, as it is shown (turned as EXIF asks); None when it cannot be told.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(30)
    if mime == "image/webp" and head[12:16] == b"VP8X":
        # Read here: Pillow's decoder reserves memory for the canvas when it opens the file.
        return Size(int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1)
    try:
        with Image.open(path, formats=(DECODERS[mime],)) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8) if mime == "image/jpeg" else False
    except _DAMAGED:
        return None
    return Size(height, width) if turned else Size(width, height)


def thumbnail(path: Path, mime: str) -> bytes:
    """Return a WebP that fits into 512 x 512 pixels; of something that moves, the first frame.

    Raises:
        PictureRefused: It is damaged, or unpacks to more than is safe.
    """
    with _opened(path, mime) as image:
        # JPEG can be unpacked at an eighth of its size, which is most of the work saved.
        image.draft("RGB", (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
        small = ImageOps.exif_transpose(_plain(image))
        small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
        return _encode(small, Format.WEBP, _THUMBNAIL_QUALITY)


def convert(path: Path, mime: str, wanted: Format, quality: int) -> bytes:
    """Return the picture in another format, without what was written into it (workflow, prompt, EXIF).

    Args:
        quality: 1 to 100; means nothing to PNG.
    Raises:
        PictureRefused: It is damaged, unpacks to more than is safe, or is larger than the format can say.
    """
    with _opened(path, mime) as image:
        limit = _MAX_SIDE.get(wanted.value)
        if limit is not None and max(image.size) > limit:
            raise PictureRefused(
                f"{wanted.value} holds at most {limit:,} pixels on a side.", hint="Choose png or avif."
            )
        return _encode(ImageOps.exif_transpose(_plain(image)), wanted, quality)


@contextmanager
def _opened(path: Path, mime: str) -> Generator[Image.Image]:
    """Open a picture whose size is known to be safe; what goes wrong inside is the picture's fault."""
    try:
        size = size_of(path, mime)
    except OSError as error:
        raise PictureRefused(f"The picture cannot be read: {error}.") from error
    if size is None:
        raise PictureRefused("The picture is damaged, or of a kind that cannot be opened here.")
    if size.width * size.height > MAX_PIXELS:
        raise PictureRefused(
            f"The picture has {size.width:,} x {size.height:,} pixels; more than {MAX_PIXELS:,} are not unpacked.",
            details={"width": size.width, "height": size.height, "max_pixels": MAX_PIXELS},
        )
    try:
        with Image.open(path, formats=(DECODERS[mime],)) as image:
            yield image
    except PictureRefused:
        raise
    except _DAMAGED as error:
        raise PictureRefused("The picture is damaged and cannot be shown.") from error


def _plain(image: Image.Image) -> Image.Image:
    """Unpack the first frame into RGB, or RGBA where something can be seen through; 16 bits become 8."""
    image.load()
    if image.mode.startswith("I"):  # 16 bits and more of grey: Pillow would cut them off instead of scaling
        scaled = image.convert("F").point(lambda value: value / 256)  # pyright: ignore[reportUnknownMemberType]
        return scaled.convert("L").convert("RGB")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _encode(image: Image.Image, wanted: Format, quality: int) -> bytes:
    target = io.BytesIO()
    if wanted is Format.JPEG:
        _on_white(image).save(target, "JPEG", quality=quality, optimize=True, progressive=True)
    elif wanted is Format.PNG:
        image.save(target, "PNG")
    elif wanted is Format.AVIF:
        image.save(target, "AVIF", quality=quality, speed=8)  # 8 of 10: a tenth of the time for some per cent of size
    else:
        image.save(target, "WEBP", quality=quality, method=4)
    return target.getvalue()


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white
