"""Texts in WebP (RFC 9649) and JPEG (ITU-T T.81) files: both carry EXIF, JPEG comments too."""

from __future__ import annotations

from collections.abc import Iterator

from backend.generation.workflows.embedded.blocks import Blocks, decode
from backend.generation.workflows.embedded.exif import exif_texts

_APP1, _COMMENT = 0xE1, 0xFE
_END_OF_IMAGE, _START_OF_SCAN = 0xD9, 0xDA


def webp_texts(blocks: Blocks) -> Iterator[tuple[str, str]]:
    """Yield the texts of the EXIF chunk; blocking.

    Raises:
        EOFError: The file ends in the middle of a chunk.
        TooLong: A text is longer than any workflow.
    """
    blocks.go_to(12)
    while blocks.position + 8 <= blocks.size:
        kind, length = blocks.take(4), blocks.number("<I")
        end = blocks.position + length + length % 2
        if kind == b"EXIF":
            yield from exif_texts(blocks.take(length))
        if end > blocks.size and kind != b"EXIF":
            raise EOFError
        blocks.go_to(min(end, blocks.size))


def jpeg_texts(blocks: Blocks) -> Iterator[tuple[str, str]]:
    """Yield the texts of EXIF segments, and comments as ``comment``; blocking.

    Raises:
        EOFError: The file ends before the picture begins.
    """
    blocks.go_to(2)
    while True:
        while (marker := blocks.take(1)[0]) == 0xFF:
            pass
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            return
        length = blocks.number(">H")
        end = blocks.position + length - 2
        if marker == _APP1:
            yield from exif_texts(blocks.take(length - 2))
        elif marker == _COMMENT:
            yield "comment", decode(blocks.take(length - 2))
        blocks.go_to(end)
