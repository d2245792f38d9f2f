"""How long a GGUF file must be, told from its header (GGUF specification, versions 2 and 3, little-endian)."""

from __future__ import annotations

import struct
from typing import BinaryIO

_MAX_ITEMS = 1 << 24
_ALIGNMENT_KEY = b"general.alignment"
_DEFAULT_ALIGNMENT = 32
_STRING, _ARRAY = 8, 9
# Bytes of the scalar value types 0 to 12.
_SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
# GGML tensor types: weights in a block, bytes of a block (gguf-py's GGML_QUANT_SIZES).
_TENSOR_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74),
    18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip


def gguf_bytes(file: BinaryIO) -> int:
    """Return the least length of the file that *file*, at its beginning, is; blocking, reads the header only.

    A tensor of a type that is not known here counts as empty.

    Raises:
        EOFError: The header itself is not complete.
        ValueError: It is not a header that can be read.
    """
    reader = _Reader(file)
    if reader.take(4) != b"GGUF" or reader.number("<I") not in (2, 3):
        raise ValueError("not a GGUF file of a known version")
    tensors, entries = reader.number("<Q"), reader.number("<Q")
    if max(tensors, entries) > _MAX_ITEMS:
        raise ValueError("the counters make no sense")
    alignment = _DEFAULT_ALIGNMENT
    for _ in range(entries):
        key, kind = reader.text(), reader.number("<I")
        if key == _ALIGNMENT_KEY and kind == 4:  # a uint32
            alignment = reader.number("<I") or _DEFAULT_ALIGNMENT
        else:
            reader.skip_value(kind)
    data_bytes = max((reader.tensor_end() for _ in range(tensors)), default=0)
    if not data_bytes:
        return reader.position
    return -(-reader.position // alignment) * alignment + data_bytes


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.position = 0

    def take(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise EOFError
        self.position += count
        return data

    def number(self, form: str) -> int:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self) -> bytes:
        length = self.number("<Q")
        if length > _MAX_ITEMS:
            raise ValueError("the text is too long")
        return self.take(length)

    def skip_value(self, kind: int) -> None:
        if kind == _STRING:
            self.text()
        elif kind == _ARRAY:
            inner, count = self.number("<I"), self.number("<Q")
            if count > _MAX_ITEMS:
                raise ValueError("the list is too long")
            if inner in _SCALAR_BYTES:
                self.take(_SCALAR_BYTES[inner] * count)
            else:
                for _ in range(count):
                    self.skip_value(inner)
        elif kind in _SCALAR_BYTES:
            self.take(_SCALAR_BYTES[kind])
        else:
            raise ValueError("a type of value that is not known")

    def tensor_end(self) -> int:
        self.text()
        dimensions = self.number("<I")
        if dimensions > 8:
            raise ValueError("too many dimensions")
        weights = 1
        for _ in range(dimensions):
            weights *= self.number("<Q")
        kind, offset = self.number("<I"), self.number("<Q")
        per_block, block_bytes = _TENSOR_BLOCKS.get(kind, (1, 0))
        return offset + -(-weights // per_block) * block_bytes
