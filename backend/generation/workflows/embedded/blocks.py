"""Read length-prefixed containers from a file: never more than asked for, never past the end without saying so."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

MAX_TEXT_BYTES = 32 << 20  # the largest workflows seen, with pictures inside, have a few MiB
MAX_BLOCKS = 1_000_000  # a film has some ten thousand; more is a trap


class TooLong(ValueError):
    """A text inside is longer than any workflow."""


class Blocks:
    """A file read from block to block; every method blocks.

    Raises:
        EOFError: The file ends before what its headers promise.
        TooLong: A piece longer than :data:`MAX_TEXT_BYTES` was asked for.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        self._blocks = 0
        file.seek(0)

    @property
    def position(self) -> int:
        """Bytes from the beginning."""
        return self._file.tell()

    def take(self, count: int) -> bytes:
        """Return exactly *count* bytes."""
        if count > MAX_TEXT_BYTES:
            raise TooLong
        data = self._file.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def number(self, form: str) -> int:
        """Return one number of the given :mod:`struct` form."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def go_to(self, position: int) -> None:
        """Continue at *position*; it counts as a block, so that a loop comes to an end."""
        self._blocks += 1
        if position > self.size or position < 0 or self._blocks > MAX_BLOCKS:
            raise EOFError
        self._file.seek(position)


def decode(data: bytes) -> str:
    """Return text that should be UTF-8 and is Latin-1 in old files."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
