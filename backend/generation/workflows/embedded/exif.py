"""Texts in EXIF data (TIFF 6.0): ComfyUI puts ``workflow:{…}`` and ``prompt:{…}`` into the names of maker and model."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from backend.generation.workflows.embedded.blocks import decode

_MARK = b"Exif\0\0"
_ASCII, _UNDEFINED = 2, 7
_EXIF_FOLDER, _USER_COMMENT = 0x8769, 0x9286
_MAX_ENTRIES = 512
_ENCODING_BYTES = 8  # of a user comment: "ASCII\0\0\0", "UNICODE\0"


def exif_texts(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield name and text of every field that reads ``name:text``, and user comments as ``comment``.

    Raises:
        EOFError: A field lies outside the data.
    """
    tiff = data.removeprefix(_MARK)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return
    seen: set[int] = set()
    folders = [_number(tiff, order + "I", 4)]
    while folders:
        offset = folders.pop()
        if offset in seen:
            continue
        seen.add(offset)
        for tag, kind, value in _fields(tiff, order, offset):
            if tag == _EXIF_FOLDER:
                folders.append(value if isinstance(value, int) else 0)
            elif isinstance(value, bytes) and tag == _USER_COMMENT:
                yield "comment", _comment(value, order)
            elif isinstance(value, bytes) and kind == _ASCII:
                name, colon, text = decode(value).rstrip("\0").partition(":")
                if colon:
                    yield name, text


def _fields(tiff: bytes, order: str, offset: int) -> Iterator[tuple[int, int, bytes | int]]:
    for index in range(min(_number(tiff, order + "H", offset), _MAX_ENTRIES)):
        start = offset + 2 + 12 * index
        tag, kind = _number(tiff, order + "H", start), _number(tiff, order + "H", start + 2)
        count, value = _number(tiff, order + "I", start + 4), _number(tiff, order + "I", start + 8)
        if kind not in (_ASCII, _UNDEFINED):
            yield tag, kind, value
            continue
        begin = start + 8 if count <= 4 else value
        if begin + count > len(tiff):
            raise EOFError
        yield tag, kind, tiff[begin : begin + count]


def _comment(value: bytes, order: str) -> str:
    text = value[_ENCODING_BYTES:]
    if value.startswith(b"UNICODE"):
        return text.decode("utf-16-le" if order == "<" else "utf-16-be", "replace")
    return decode(text).rstrip("\0")


def _number(tiff: bytes, form: str, offset: int) -> int:
    try:
        return struct.unpack_from(form, tiff, offset)[0]
    except struct.error:
        raise EOFError from None
