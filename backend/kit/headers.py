"""Tell from a model file's first bytes and its length whether it can be what its name says.

Cheap by design: one open, a few kilobytes read (the header of a safetensors or GGUF file as a whole, usually below some
megabytes). It finds truncated files, web pages and pointers saved under a model's name; it does not prove that the weights
are right.
"""

from __future__ import annotations

import json
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from backend.kit.gguf import gguf_bytes

_HEAD_BYTES = 512
_MAX_SAFETENSORS_HEADER_BYTES = 100_000_000  # the limit of the reference implementation
_MIN_GGUF_BYTES = 24  # magic, version, two counters
_TEXT_SUFFIXES = frozenset(
    {".json", ".txt", ".yaml", ".yml", ".md", ".html", ".htm", ".xml", ".model", ".csv", ".vocab"}
)
_SAFETENSORS = frozenset({".safetensors", ".sft"})
_ZIP_OR_PICKLE = frozenset({".pt", ".pth", ".ckpt"})
_ZIP_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class HeaderProblem:
    """What is wrong, in one sentence; ``is_incomplete``: the beginning is right and the end is missing."""

    sentence: str
    is_incomplete: bool = False


def header_problem(path: Path, size_bytes: int) -> str | None:
    """Return what is wrong with the file in one sentence, or None when it looks plausible; blocking.

    Raises:
        OSError: The file cannot be read.
    """
    problem = inspect_header(path, size_bytes)
    return None if problem is None else problem.sentence


def inspect_header(path: Path, size_bytes: int, *, name: str | None = None) -> HeaderProblem | None:
    """Return what is wrong with the file, or None when it looks plausible; blocking.

    Args:
        name: What the file will be called, where that is not what it is called now.
    Raises:
        OSError: The file cannot be read.
    """
    if size_bytes == 0:
        return HeaderProblem("The file is empty.")
    suffix = Path(name or path.name).suffix.lower()
    if suffix in _TEXT_SUFFIXES:
        return None
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        wrong = _foreign_content(head) or _magic_problem(suffix, head)
        return HeaderProblem(wrong) if wrong is not None else _frame_problem(suffix, head, size_bytes, file)


def first_bytes_problem(name: str, head: bytes) -> str | None:
    """Return what is wrong with a file that begins with *head* (some hundred bytes), None when it may become right."""
    if Path(name).suffix.lower() in _TEXT_SUFFIXES:
        return None
    return _foreign_content(head)


def _frame_problem(suffix: str, head: bytes, size_bytes: int, file: BinaryIO) -> HeaderProblem | None:
    """Compare the length of the file with what its own header says."""
    if suffix in _SAFETENSORS:
        return _safetensors_problem(head, size_bytes, file)
    if suffix == ".gguf":
        return _gguf_problem(size_bytes, file)
    if suffix in _ZIP_OR_PICKLE and head.startswith(_ZIP_MAGIC) and not zipfile.is_zipfile(file):
        return HeaderProblem("The file is truncated: the directory at the end of the archive is missing.", True)
    return None


def _magic_problem(suffix: str, head: bytes) -> str | None:
    if suffix == ".gguf" and not head.startswith(b"GGUF"):
        return "The file does not begin as a GGUF file does."
    # Old torch.save files begin with a pickle protocol mark, new ones are zip archives; tar is older than both.
    if suffix in _ZIP_OR_PICKLE and not head.startswith((_ZIP_MAGIC, b"\x80")) and head[257:262] != b"ustar":
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


def _safetensors_problem(head: bytes, size_bytes: int, file: BinaryIO) -> HeaderProblem | None:
    length = struct.unpack("<Q", head[:8])[0] if len(head) >= 8 else 0
    if not 2 <= length <= _MAX_SAFETENSORS_HEADER_BYTES:
        return HeaderProblem("The file does not begin as a safetensors file does.")
    if 8 + length > size_bytes:
        return HeaderProblem("The file is truncated: its header is not complete.", is_incomplete=True)
    try:
        file.seek(8)
        header: object = json.loads(file.read(length))
        expected = 8 + length + _data_bytes(header)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return HeaderProblem("The header of the safetensors file is damaged.")
    if size_bytes == expected:
        return None
    kind = "truncated" if size_bytes < expected else "longer than its header says"
    return HeaderProblem(f"The file is {kind}: {size_bytes} instead of {expected} bytes.", size_bytes < expected)


def _data_bytes(header: object) -> int:
    if not isinstance(header, dict):
        raise TypeError("a safetensors header is an object")
    entries = cast("dict[str, dict[str, list[int]]]", header)
    return max((int(entry["data_offsets"][1]) for name, entry in entries.items() if name != "__metadata__"), default=0)


def _gguf_problem(size_bytes: int, file: BinaryIO) -> HeaderProblem | None:
    if size_bytes < _MIN_GGUF_BYTES:
        return HeaderProblem("The file is truncated: its header is not complete.", is_incomplete=True)
    file.seek(0)
    try:
        expected = gguf_bytes(file)
    except EOFError:
        return HeaderProblem("The file is truncated: its header is not complete.", is_incomplete=True)
    except ValueError:
        return None  # a dialect that is not known here
    if size_bytes >= expected:
        return None
    return HeaderProblem(f"The file is truncated: {size_bytes} instead of {expected} bytes.", is_incomplete=True)
