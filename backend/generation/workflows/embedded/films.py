"""Texts in MP4 and MOV files (ISO/IEC 14496-12, QuickTime metadata) and in WebM and MKV files (RFC 9559)."""

from __future__ import annotations

from collections.abc import Iterator

from backend.generation.workflows.embedded.blocks import Blocks, decode

_ITUNES_NAMES = {b"\xa9cmt": "comment", b"\xa9des": "description", b"desc": "description", b"\xa9nam": "title"}
_SEGMENT, _TAGS, _TAG, _SIMPLE_TAG = 0x18538067, 0x1254C367, 0x7373, 0x67C8
_TAG_NAME, _TAG_STRING = 0x45A3, 0x4487


def mp4_texts(blocks: Blocks) -> Iterator[tuple[str, str]]:
    """Yield name and text of each metadata item of the film; blocking.

    Raises:
        EOFError: The file ends in the middle of a box.
        TooLong: A text is longer than any workflow.
    """
    yield from _boxes_of_film(blocks, 0, blocks.size)


def _boxes_of_film(blocks: Blocks, start: int, end: int) -> Iterator[tuple[str, str]]:
    for kind, begin, stop in list(_boxes(blocks, start, end)):
        if kind in (b"moov", b"udta"):
            yield from _boxes_of_film(blocks, begin, stop)
        elif kind == b"meta":
            yield from _metadata(blocks, begin, stop)


def _boxes(blocks: Blocks, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, beginning and end of the content of each box."""
    while start + 8 <= end:
        blocks.go_to(start)
        length, kind = blocks.number(">I"), blocks.take(4)
        begin = start + 8
        if length == 1:
            length, begin = blocks.number(">Q"), start + 16
        elif length == 0:  # up to the end of what surrounds it; a terminator in old user data
            length = end - start
        if length < begin - start or start + length > end:
            raise EOFError
        yield kind, begin, start + length
        start += length


def _metadata(blocks: Blocks, start: int, end: int) -> Iterator[tuple[str, str]]:
    blocks.go_to(start)
    has_version = blocks.take(min(8, end - start))[4:] != b"hdlr"  # QuickTime's own box has no version before it
    content = {kind: (begin, stop) for kind, begin, stop in _boxes(blocks, start + 4 * has_version, end)}
    keys = list(_keys(blocks, content[b"keys"][0])) if b"keys" in content else []
    if b"ilst" not in content:
        return
    for kind, begin, stop in list(_boxes(blocks, *content[b"ilst"])):
        index = int.from_bytes(kind, "big") - 1
        name = keys[index] if 0 <= index < len(keys) else _ITUNES_NAMES.get(kind, decode(kind))
        for inner, data, data_end in list(_boxes(blocks, begin, stop)):
            if inner == b"data" and data_end - data >= 8:
                blocks.go_to(data + 8)  # its type and locale
                yield name, decode(blocks.take(data_end - data - 8))


def _keys(blocks: Blocks, start: int) -> Iterator[str]:
    blocks.go_to(start + 4)
    for _ in range(min(blocks.number(">I"), 1000)):
        length, _namespace = blocks.number(">I"), blocks.take(4)
        if length < 8:
            raise EOFError
        yield decode(blocks.take(length - 8))


def matroska_texts(blocks: Blocks) -> Iterator[tuple[str, str]]:
    """Yield name and text of every tag; blocking.

    Raises:
        EOFError: The file ends in the middle of an element.
        TooLong: A text is longer than any workflow.
    """
    for kind, begin, end in _elements(blocks, 0, blocks.size):
        if kind == _SEGMENT:
            yield from _tags(blocks, begin, end)
            return


def _tags(blocks: Blocks, start: int, end: int) -> Iterator[tuple[str, str]]:
    for kind, begin, stop in _elements(blocks, start, end):
        if kind in (_TAGS, _TAG):
            yield from _tags(blocks, begin, stop)
        elif kind == _SIMPLE_TAG:
            fields = {inner: (first, last) for inner, first, last in _elements(blocks, begin, stop)}
            if _TAG_NAME in fields and _TAG_STRING in fields:
                yield _text(blocks, *fields[_TAG_NAME]), _text(blocks, *fields[_TAG_STRING])


def _text(blocks: Blocks, start: int, end: int) -> str:
    blocks.go_to(start)
    return decode(blocks.take(end - start)).rstrip("\0")


def _elements(blocks: Blocks, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield id, beginning and end of each element; one of unknown length (a live recording) reaches to *end*."""
    while start < end:
        blocks.go_to(start)
        kind, _ = _variable(blocks, keeps_mark=True)
        length, is_unknown = _variable(blocks, keeps_mark=False)
        begin = blocks.position
        stop = end if is_unknown else begin + length
        if stop > end:
            raise EOFError
        yield kind, begin, stop
        start = stop


def _variable(blocks: Blocks, *, keeps_mark: bool) -> tuple[int, bool]:
    """Read a number whose first byte tells its length (RFC 8794), and whether it means "unknown"."""
    first = blocks.take(1)[0]
    width = 9 - first.bit_length()
    if width > 8:
        raise EOFError
    data = bytes([first]) + blocks.take(width - 1)
    value = int.from_bytes(data, "big")
    bare = value & ((1 << 7 * width) - 1)
    return (value if keeps_mark else bare), bare == (1 << 7 * width) - 1
