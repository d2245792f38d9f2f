"""Pictures on their way in and out: base64, data addresses, and the format that the client asked for."""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass
from typing import Literal, TypeAlias

from backend.compat.errors import UnusableRequest

Format: TypeAlias = Literal["png", "jpeg", "webp"]

MAX_PICTURE_BYTES = 50 * 1024**2
MAX_PIXELS = 64 * 1024**2  # 8192 x 8192: more is a mistake, or an attack by a file that unpacks to gigabytes
_READABLE = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a client sent: its bytes, MIME type and size in pixels."""

    data: bytes
    mime: str
    width: int
    height: int

    @property
    def extension(self) -> str:
        """Return the ending of a file that holds it."""
        return self.mime.partition("/")[2]


def read_picture(data: bytes, field: str) -> Picture:
    """Look at a picture without unpacking it; blocking, below a millisecond.

    Raises:
        UnusableRequest: It is no picture, or too large.
    """
    from PIL import Image, UnidentifiedImageError

    if len(data) > MAX_PICTURE_BYTES:
        raise UnusableRequest(f"{field} is larger than {MAX_PICTURE_BYTES >> 20} MiB.", field=field)
    try:
        with Image.open(io.BytesIO(data), formats=_READABLE) as image:
            width, height, mime = image.width, image.height, Image.MIME[image.format or ""]
    except (UnidentifiedImageError, OSError, KeyError, ValueError, Image.DecompressionBombError):
        raise UnusableRequest(f"{field} is no picture that can be read.", field=field) from None
    if width * height > MAX_PIXELS:
        raise UnusableRequest(f"{field} has {width} x {height} pixels, and {MAX_PIXELS} are allowed.", field=field)
    return Picture(data, mime, width, height)


def decode_picture(text: str, field: str) -> Picture:
    """Read a picture from base64, with or without ``data:...;base64,`` in front; blocking.

    Raises:
        UnusableRequest: It cannot be read.
    """
    content = text.partition(",")[2] if text.startswith("data:") else text
    try:
        data = base64.b64decode("".join(content.split()), validate=True)
    except binascii.Error:
        raise UnusableRequest(f"{field} is not base64.", field=field) from None
    return read_picture(data, field)


def decode_mask(text: str, field: str, *, inverted: bool = False) -> Picture:
    """Read a mask in which white is painted anew into one where that is transparent, as ComfyUI has it; blocking.

    Args:
        inverted: Black is painted anew instead.
    Raises:
        UnusableRequest: It cannot be read.
    """
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(decode_picture(text, field).data)) as image:
        shades = image.convert("L")
    mask = shades.convert("RGB")
    mask.putalpha(shades if inverted else ImageOps.invert(shades))
    packed = io.BytesIO()
    mask.save(packed, "PNG")
    return Picture(packed.getvalue(), "image/png", mask.width, mask.height)


def fitted(picture: Picture, width: int, height: int, *, crop: bool = False) -> Picture:
    """Return *picture* in another size; blocking, up to a second.

    Args:
        crop: Cut off what is too wide or too high, rather than distort.
    """
    from PIL import Image, ImageOps

    if (picture.width, picture.height) == (width, height):
        return picture
    with Image.open(io.BytesIO(picture.data)) as image:
        upright = ImageOps.exif_transpose(image)
        plain = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    size = (width, height)
    if crop:
        scaled = ImageOps.fit(plain, size, Image.Resampling.LANCZOS)
    else:
        scaled = plain.resize(size, Image.Resampling.LANCZOS)  # pyright: ignore[reportUnknownMemberType]
    packed = io.BytesIO()
    scaled.save(packed, "PNG", compress_level=1)
    return Picture(packed.getvalue(), "image/png", width, height)


def encode(data: bytes, wanted: Format, *, quality: int = 100, flat: bool = False) -> bytes:
    """Return the picture in the format *wanted*; one that has it already keeps its bytes. Blocking, up to seconds.

    Args:
        quality: 0 to 100, of jpeg and webp; webp with 100 is lossless.
        flat: Put it on white, so that nothing is transparent; jpeg always is.
    """
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        transparent = image.has_transparency_data
        if image.format == wanted.upper() and quality == 100 and not (flat and transparent):
            return data
        picture = image.convert("RGBA" if transparent else "RGB")
    if transparent and (flat or wanted == "jpeg"):
        ground = Image.new("RGB", picture.size, _WHITE)
        ground.paste(picture, mask=picture.getchannel("A"))
        picture = ground
    packed = io.BytesIO()
    if wanted == "webp":
        picture.save(packed, "WEBP", quality=quality, lossless=quality == 100)
    elif wanted == "jpeg":
        picture.save(packed, "JPEG", quality=max(1, quality), subsampling=0 if quality >= 90 else 2)
    else:
        picture.save(packed, "PNG")
    return packed.getvalue()
