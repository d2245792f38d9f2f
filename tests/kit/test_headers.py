"""What the first bytes and the length of a model file tell."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from backend.kit.headers import first_bytes_problem, header_problem, inspect_header


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(*, entries: bytes = b"", count: int = 0, kind: int = 0, weights: int = 64, alignment: int = 32) -> bytes:
    """Return a whole file with one tensor."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, count) + entries
    head += text("w") + struct.pack("<IQIQ", 1, weights, kind, 0)
    per_block, block_bytes = {0: (1, 4), 12: (256, 144), 99: (1, 0)}[kind]
    return head + bytes(-len(head) % alignment) + bytes(-(-weights // per_block) * block_bytes)


ENTRIES = (
    text("general.alignment") + struct.pack("<II", 4, 64)
    + text("general.name") + struct.pack("<I", 8) + text("tiny")
    + text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
    + text("scores") + struct.pack("<IIQ", 9, 6, 3) + bytes(12)
)  # fmt: skip


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(gguf(), id="floats"),
        pytest.param(gguf(kind=12, weights=512), id="quantised"),
        pytest.param(gguf(entries=ENTRIES, count=4, alignment=64), id="metadata and another alignment"),
    ],
)
def test_a_gguf_file_is_complete_or_truncated(tmp_path: Path, whole: bytes) -> None:
    """The last byte of the last tensor is where its header says, after every kind of metadata."""
    path = tmp_path / "a.gguf"
    path.write_bytes(whole)
    assert header_problem(path, len(whole)) is None
    for size in (len(whole) - 1, 40, 20):
        path.write_bytes(whole[:size])
        problem = inspect_header(path, size)
        assert problem is not None
        assert problem.is_incomplete


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(gguf(kind=99), id="a type of tensor that is not known"),
        pytest.param(b"GGUF" + struct.pack("<IQQ", 9, 1, 1) + bytes(50), id="a later version"),
        pytest.param(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1) + bytes(50), id="counters without sense"),
        pytest.param(gguf(entries=text("x") + struct.pack("<I", 77), count=1), id="a type of value that is not known"),
        pytest.param(gguf() + bytes(100), id="something behind the last tensor"),
    ],
)
def test_a_gguf_file_of_another_dialect_is_left_alone(tmp_path: Path, odd: bytes) -> None:
    """Only what is certainly missing is called missing."""
    path = tmp_path / "a.gguf"
    path.write_bytes(odd)
    assert header_problem(path, len(odd)) is None


def test_the_name_that_a_file_will_have_decides(tmp_path: Path) -> None:
    """A part is judged as what it is going to be."""
    part = tmp_path / "a.gguf.part"
    part.write_bytes(bytes(100))
    assert inspect_header(part, 100) is None
    assert inspect_header(part, 100, name="a.gguf") is not None


def test_first_bytes_condemn_only_what_they_prove() -> None:
    """A page is a page at once; a few strange bytes may still become a model, and text files may hold anything."""
    assert first_bytes_problem("a.safetensors", b"<!DOCTYPE html><html>")
    assert first_bytes_problem("a.safetensors", b"\x00\x01") is None
    assert first_bytes_problem("a.json", b'{"error": 1}') is None
