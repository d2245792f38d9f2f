"""Texts in FLAC files (RFC 9639): the Vorbis comment, whose fields read ``NAME=text``."""

from __future__ import annotations

from collections.abc import Iterator

from backend.generation.workflows.embedded.blocks import Blocks, decode

_VORBIS_COMMENT = 4
_LAST_BLOCK = 0x80
_MAX_FIELDS = 10_000


def flac_texts(blocks: Blocks) -> Iterator[tuple[str, str]]:
    """Yield name and text of every comment; blocking.

    Raises:
        EOFError: The file ends in the middle of a block.
        TooLong: A text is longer than any workflow.
    """
    blocks.go_to(4)
    is_last = False
    while not is_last:
        header = blocks.number(">I")
        is_last = bool(header >> 24 & _LAST_BLOCK)
        kind, end = header >> 24 & 0x7F, blocks.position + (header & 0xFFFFFF)
        if kind == _VORBIS_COMMENT:
            blocks.take(blocks.number("<I"))  # who wrote it
            for _ in range(min(blocks.number("<I"), _MAX_FIELDS)):
                name, equals, text = decode(blocks.take(blocks.number("<I"))).partition("=")
                if equals:
                    yield name, text
        blocks.go_to(end)
