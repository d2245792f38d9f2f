"""Pictures for the tests: made, and read back from base64."""

from __future__ import annotations

import base64
import io

from PIL import Image


def png(width: int = 64, height: int = 48, colour: str = "teal", mode: str = "RGB") -> bytes:
    """Return a picture of one colour."""
    packed = io.BytesIO()
    Image.new(mode, (width, height), colour).save(packed, "PNG")
    return packed.getvalue()


def mask_png(width: int = 64, height: int = 48) -> bytes:
    """Return a mask whose left half is transparent."""
    image = Image.new("RGBA", (width, height), "black")
    image.paste((0, 0, 0, 0), (0, 0, width // 2, height))
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return packed.getvalue()


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def opened(text: str | None) -> Image.Image:
    """Open a picture that came as base64."""
    assert text is not None
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    image.load()
    return image
