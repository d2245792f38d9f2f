"""Texts in FLAC (RFC 9639), Ogg (RFC 3533, 7845) and MP3 files (ID3v2.3 and 2.4).

FLAC and Ogg carry a Vorbis comment, whose fields read ``NAME=text``; ID3 has frames for texts with a name, ``TXXX``.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from backend.generation.workflows.embedded.blocks import MAX_TEXT_BYTES, Blocks, TooLong, decode

_VORBIS_COMMENT = 4
_LAST_BLOCK = 0x80
_MAX_FIELDS = 10_000
_OGG_COMMENTS = (b"OpusTags", b"\x03vorbis")
_ENCODINGS = {1: "utf-16", 2: "utf-16-be"}


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
            yield from _vorbis_comment(blocks)
        blocks.go_to(end)


def ogg_texts(blocks: Blocks) -> Iterator[tuple[str, str]]:
    """Yield name and text of every comment, which is the second packet of the stream; blocking.

    Raises:
        EOFError: The file ends before the comments do.
        TooLong: The comments are longer than any workflow.
    """
    packet = bytearray()
    while True:
        blocks.take(26)  # the header of a page
        lengths = blocks.take(blocks.take(1)[0])
        for length in lengths:
            packet += blocks.take(length)
            if len(packet) > MAX_TEXT_BYTES:
                raise TooLong
            if length == 255:
                continue
            mark = next((each for each in _OGG_COMMENTS if packet.startswith(each)), None)
            if mark is not None:
                yield from _vorbis_comment(Blocks(BytesIO(packet[len(mark) :])))
                return
            packet.clear()
        blocks.go_to(blocks.position)


def mp3_texts(blocks: Blocks) -> Iterator[tuple[str, str]]:
    """Yield name and text of every named text frame; blocking.

    Raises:
        EOFError: The file ends in the middle of a frame.
        TooLong: A text is longer than any workflow.
    """
    blocks.take(3)
    version = blocks.take(3)[0]
    end = blocks.position + 4 + _syncsafe(blocks.take(4))
    while blocks.position + 10 <= end:
        kind, size = blocks.take(4), blocks.take(4)
        length = _syncsafe(size) if version >= 4 else int.from_bytes(size, "big")
        blocks.take(2)
        if not kind.strip(b"\0"):
            return  # padding up to the end
        stop = blocks.position + length
        if kind == b"TXXX":
            yield _named_text(blocks.take(length))
        blocks.go_to(stop)


def _named_text(data: bytes) -> tuple[str, str]:
    encoding = _ENCODINGS.get(data[0] if data else 0)
    text = data[1:].decode(encoding, "replace") if encoding else decode(data[1:])
    name, _, value = text.partition("\0")
    return name, value.lstrip("\ufeff").rstrip("\0")


def _vorbis_comment(blocks: Blocks) -> Iterator[tuple[str, str]]:
    blocks.take(blocks.number("<I"))  # who wrote it
    for _ in range(min(blocks.number("<I"), _MAX_FIELDS)):
        name, equals, text = decode(blocks.take(blocks.number("<I"))).partition("=")
        if equals:
            yield name, text


def _syncsafe(data: bytes) -> int:
    """Read a number of seven bits a byte."""
    number = 0
    for each in data:
        number = number << 7 | each & 0x7F
    return number
