"""Texts in PNG files: tEXt, zTXt and iTXt chunks, and ``comf``, which ComfyUI writes into animated ones (PNG 3rd ed.)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from backend.generation.workflows.embedded.blocks import MAX_TEXT_BYTES, Blocks, TooLong, decode

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_texts(blocks: Blocks) -> Iterator[tuple[str, str]]:
    """Yield keyword and text of every text chunk; blocking.

    Raises:
        EOFError: The file ends in the middle of a chunk.
        TooLong: A text is longer than any workflow.
    """
    blocks.take(len(SIGNATURE))
    while True:
        length, kind = blocks.number(">I"), blocks.take(4)
        end = blocks.position + length + 4  # the checksum follows
        if kind == b"IEND":
            return
        if kind in (b"tEXt", b"comf"):
            keyword, _, text = blocks.take(length).partition(b"\0")
            yield decode(keyword), decode(text)
        elif kind == b"zTXt":
            keyword, _, rest = blocks.take(length).partition(b"\0")
            yield decode(keyword), decode(_inflate(rest[1:]))
        elif kind == b"iTXt":
            yield _international(blocks.take(length))
        blocks.go_to(end)


def _international(data: bytes) -> tuple[str, str]:
    keyword, _, rest = data.partition(b"\0")
    is_compressed, rest = rest[:1] == b"\1", rest[2:]
    _language, _, rest = rest.partition(b"\0")
    _translated, _, text = rest.partition(b"\0")
    return decode(keyword), decode(_inflate(text) if is_compressed else text)


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, MAX_TEXT_BYTES)
    except zlib.error:
        raise EOFError from None
    if stream.unconsumed_tail:
        raise TooLong
    return text
