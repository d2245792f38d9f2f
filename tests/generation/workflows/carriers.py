"""Files that carry texts, built byte by byte as ComfyUI's savers (PIL, PyAV) write them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

Texts = Mapping[str, str]


def png(texts: Texts, *, form: bytes = b"tEXt", is_cut: bool = False) -> bytes:
    data = b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", bytes(13))
    for name, text in texts.items():
        key, value = name.encode() + b"\0", text.encode()
        packed = {
            b"tEXt": key + value,
            b"comf": key + value,
            b"zTXt": key + b"\0" + zlib.compress(value),
            b"iTXt": key + b"\1\0" + b"en\0" + b"\0" + zlib.compress(value),
        }[form]
        data += _png_chunk(form, packed)
    return data + (b"\0\0" if is_cut else _png_chunk(b"IDAT", b"x" * 9) + _png_chunk(b"IEND", b""))


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def exif(texts: Texts, order: str = "<") -> bytes:
    """The names of maker and model and what comes below them, as ComfyUI fills them."""
    values = [f"{name}:{text}".encode() + b"\0" for name, text in texts.items()]
    start = 8 + 2 + 12 * len(values) + 4
    entries, body = b"", b""
    for index, value in enumerate(values):
        entries += struct.pack(order + "HHII", 0x0110 - index, 2, len(value), start + len(body))
        body += value
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", 8) + struct.pack(order + "H", len(values)) + entries + bytes(4) + body


def webp(texts: Texts) -> bytes:
    chunks = b"VP8X" + struct.pack("<I", 10) + bytes(10)
    data = exif(texts)
    chunks += b"EXIF" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def jpeg(texts: Texts) -> bytes:
    data = b"Exif\0\0" + exif(texts, ">")
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(data) + 2) + data + b"\xff\xda\0\2"


def _box(kind: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I", 8 + len(data)) + kind + data


def mp4(texts: Texts) -> bytes:
    """What PyAV writes with ``use_metadata_tags``: names in ``keys``, texts in ``ilst``."""
    handler = _box(b"hdlr", bytes(8), b"mdta", bytes(13))
    names = b"".join(struct.pack(">I", 8 + len(name)) + b"mdta" + name.encode() for name in texts)
    keys = _box(b"keys", bytes(4), struct.pack(">I", len(texts)), names)
    items = [
        _box(struct.pack(">I", rank), _box(b"data", struct.pack(">II", 1, 0), text.encode()))
        for rank, text in enumerate(texts.values(), 1)
    ]
    meta = _box(b"meta", bytes(4), handler, keys, _box(b"ilst", *items))
    wide = struct.pack(">I", 1) + b"mdat" + struct.pack(">Q", 16 + 5) + b"video"
    return _box(b"ftyp", b"isom") + wide + _box(b"moov", _box(b"trak", b"x" * 30), _box(b"udta", meta))


def mp4_comment(text: str) -> bytes:
    """What other savers write: one comment with everything."""
    item = _box(b"\xa9cmt", _box(b"data", struct.pack(">II", 1, 0), text.encode()))
    meta = _box(b"meta", bytes(4), _box(b"hdlr", bytes(8), b"mdir", bytes(13)), _box(b"ilst", item))
    return _box(b"ftyp", b"isom") + _box(b"moov", _box(b"udta", meta))


def _element(kind: bytes, data: bytes) -> bytes:
    return kind + (1 << 56 | len(data)).to_bytes(8, "big") + data


def matroska(texts: Texts, *, is_live: bool = False) -> bytes:
    tags = b"".join(
        _element(b"\x67\xc8", _element(b"\x45\xa3", name.upper().encode()) + _element(b"\x44\x87", text.encode()))
        for name, text in texts.items()
    )
    content = _element(b"\x15\x49\xa9\x66", b"info") + _element(b"\x12\x54\xc3\x67", _element(b"\x73\x73", tags))
    head = _element(b"\x1a\x45\xdf\xa3", b"\x42\x82\x84webm")
    return head + (b"\x18\x53\x80\x67\xff" + content if is_live else _element(b"\x18\x53\x80\x67", content))


def _vorbis(texts: Texts) -> bytes:
    fields = b"".join(
        struct.pack("<I", len(field)) + field for field in (f"{name}={text}".encode() for name, text in texts.items())
    )
    return struct.pack("<I", 3) + b"lav" + struct.pack("<I", len(texts)) + fields


def flac(texts: Texts) -> bytes:
    comment = _vorbis(texts)
    return b"fLaC" + struct.pack(">I", 34) + bytes(34) + struct.pack(">I", 0x84 << 24 | len(comment)) + comment


def ogg(texts: Texts) -> bytes:
    return _ogg_page(b"OpusHead" + bytes(11)) + _ogg_page(b"OpusTags" + _vorbis(texts))


def _ogg_page(packet: bytes) -> bytes:
    pages = b""
    while True:
        part, packet = packet[: 255 * 255], packet[255 * 255 :]
        lengths = bytes([255] * (len(part) // 255)) + (b"" if len(part) == 255 * 255 else bytes([len(part) % 255]))
        pages += b"OggS" + bytes(22) + bytes([len(lengths)]) + lengths + part
        if not packet:
            return pages


def mp3(texts: Texts, version: int = 4) -> bytes:
    frames = b""
    for name, text in texts.items():
        data = (
            b"\1" + name.encode("utf-16") + b"\0\0" + text.encode("utf-16")
            if version == 3
            else (b"\3" + name.encode() + b"\0" + text.encode() + b"\0")
        )
        frames += b"TXXX" + (_syncsafe(len(data)) if version == 4 else struct.pack(">I", len(data))) + b"\0\0" + data
    return b"ID3" + bytes([version, 0, 0]) + _syncsafe(len(frames) + 20) + frames + bytes(20)


def _syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
