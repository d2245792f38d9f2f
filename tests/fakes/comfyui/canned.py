"""Results without a model: pictures made of two colours, and files that lie beside this one."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

_FILES = Path(__file__).parent / "canned"
PREVIEWS = 5


@dataclass(frozen=True)
class Picture:
    """What stands for a batch of images: its size, its colours from top to bottom, how many."""

    width: int = 64
    height: int = 64
    top: tuple[int, int, int] = (51, 102, 204)
    bottom: tuple[int, int, int] = (51, 102, 204)
    count: int = 1

    def scaled(self, width: int, height: int) -> Picture:
        return replace(self, width=width, height=height)

    def inverted(self) -> Picture:
        return replace(self, top=_invert(self.top), bottom=_invert(self.bottom))

    def png(self, texts: Mapping[str, Any] | None = None) -> bytes:
        """Encode one image; *texts* become tEXt chunks, as ComfyUI hides the graph in its results."""
        rows = b"".join(b"\0" + bytes(self._colour(y)) * self.width for y in range(self.height))
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        chunks = [_chunk(b"IHDR", head)]
        chunks += [
            _chunk(b"tEXt", name.encode("latin-1") + b"\0" + json.dumps(value).encode("ascii"))
            for name, value in (texts or {}).items()
        ]
        return b"\x89PNG\r\n\x1a\n" + b"".join([*chunks, _chunk(b"IDAT", zlib.compress(rows, 1)), _chunk(b"IEND", b"")])

    def _colour(self, y: int) -> tuple[int, ...]:
        part = y / max(1, self.height - 1)
        return tuple(round(a + (b - a) * part) for a, b in zip(self.top, self.bottom, strict=True))


def of_colour(number: int, width: int, height: int, count: int) -> Picture:
    """Return a picture of the colour 0xRRGGBB."""
    colour = (number >> 16 & 255, number >> 8 & 255, number & 255)
    return Picture(width, height, colour, colour, count)


def of_seed(seed: int, width: int, height: int, count: int) -> Picture:
    """Return a picture that looks different for every seed."""
    mixed = zlib.crc32(str(seed).encode())
    top = (40 + mixed % 160, 40 + (mixed >> 8) % 160, 80 + (mixed >> 16) % 170)
    return Picture(width, height, top, _invert(top), count)


def preview(step: int, steps: int) -> bytes:
    """Return a JPEG that gets clearer from step to step."""
    return canned(f"preview_{min(PREVIEWS - 1, (step - 1) * PREVIEWS // max(1, steps))}.jpg")


@cache
def canned(name: str) -> bytes:
    """Return the file *name* of the folder ``canned``."""
    return (_FILES / name).read_bytes()


def _invert(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    return (255 - colour[0], 255 - colour[1], 255 - colour[2])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
