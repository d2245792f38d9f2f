"""Tell from a model file's first bytes and its length whether it can be what its name says.

Cheap by design: one open, a few kilobytes read (a safetensors header as a whole, usually below a megabyte). It finds
truncated files, web pages and pointers saved under a model's name; it does not prove that the weights are right.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import BinaryIO, cast

_HEAD_BYTES = 512
_MAX_SAFETENSORS_HEADER_BYTES = 100_000_000  # the limit of the reference implementation
_MIN_GGUF_BYTES = 24  # magic, version, two counters
_TEXT_SUFFIXES = frozenset({".json", ".txt", ".yaml", ".yml", ".md", ".html", ".model", ".csv", ".vocab"})
_ZIP_OR_PICKLE = frozenset({".pt", ".pth", ".ckpt"})


def header_problem(path: Path, size_bytes: int) -> str | None:
    """Return what is wrong with the file in one sentence, or None when it looks plausible; blocking.

    Raises:
        OSError: The file cannot be read.
    """
    if size_bytes == 0:
        return "The file is empty."
    suffix = path.suffix.lower()
    if suffix in _TEXT_SUFFIXES:
        return None
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        problem = _foreign_content(head)
        if problem is None and suffix in {".safetensors", ".sft"}:
            problem = _safetensors_problem(head, size_bytes, file)
    return problem or _magic_problem(suffix, head, size_bytes)


def _magic_problem(suffix: str, head: bytes, size_bytes: int) -> str | None:
    if suffix == ".gguf" and (not head.startswith(b"GGUF") or size_bytes < _MIN_GGUF_BYTES):
        return "The file does not begin as a GGUF file does."
    # Old torch.save files begin with a pickle protocol mark, new ones are zip archives; tar is older than both.
    if suffix in _ZIP_OR_PICKLE and not head.startswith((b"PK\x03\x04", b"\x80")) and head[257:262] != b"ustar":
        return "The file does not begin as a PyTorch file does."
    return None


def _foreign_content(head: bytes) -> str | None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "The file is a web page, not a model."
    if start.startswith(b"version https://git-lfs"):
        return "The file is a Git LFS pointer, not the model itself."
    if start.startswith((b'{"error', b'{"message', b'{"detail')):
        return "The file is an error message of the host, not a model."
    return None


def _safetensors_problem(head: bytes, size_bytes: int, file: BinaryIO) -> str | None:
    length = struct.unpack("<Q", head[:8])[0] if len(head) >= 8 else 0
    if not 2 <= length <= _MAX_SAFETENSORS_HEADER_BYTES:
        return "The file does not begin as a safetensors file does."
    if 8 + length > size_bytes:
        return "The file is truncated: its header is not complete."
    try:
        file.seek(8)
        header: object = json.loads(file.read(length))
        expected = 8 + length + _data_bytes(header)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return "The header of the safetensors file is damaged."
    if size_bytes != expected:
        kind = "truncated" if size_bytes < expected else "longer than its header says"
        return f"The file is {kind}: {size_bytes} instead of {expected} bytes."
    return None


def _data_bytes(header: object) -> int:
    if not isinstance(header, dict):
        raise TypeError("a safetensors header is an object")
    entries = cast("dict[str, dict[str, list[int]]]", header)
    return max((int(entry["data_offsets"][1]) for name, entry in entries.items() if name != "__metadata__"), default=0)
