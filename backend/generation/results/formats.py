"""What pictures can be opened and made, without the library that does it: that is loaded with the first picture."""

from __future__ import annotations

from enum import StrEnum

THUMBNAIL_PIXELS = 512

# Only the decoders that are needed: each one is a parser of foreign bytes.
DECODERS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
}


class Format(StrEnum):
    """What pictures can be converted to."""

    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"
    PNG = "png"

    @property
    def mime(self) -> str:
        """The MIME type."""
        return f"image/{self.value}"


def can_open(mime: str) -> bool:
    """Tell whether pictures of this type can be opened here."""
    return mime in DECODERS
