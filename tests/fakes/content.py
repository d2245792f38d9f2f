"""Files that exist only as a rule: any size, any byte at once, nothing held in memory but one block.

A content of a size and seed is the same in every process, so a test in one process checks what another one wrote. No two
blocks of it are alike, so bytes that land at a wrong place change the hash.
"""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

BLOCK = 1 << 20
_STRIDE = 65_537  # each block is the base block seen through a window moved by this many bytes (prime: it takes long to repeat)


@dataclass(frozen=True)
class Content:
    """Bytes with the facts that a host tells about them.

    Args:
        prefix: Literal first bytes (a file header); the rest follows from ``seed``.
        etag: As sent, quotes included; None sends none.
    """

    size: int
    seed: int = 0
    prefix: bytes = b""
    etag: str | None = None
    last_modified: str | None = "Tue, 03 Nov 2026 10:00:00 GMT"
    content_type: str = "application/octet-stream"
    filename: str | None = None

    @classmethod
    def random(cls, size: int, seed: int = 0, **facts: object) -> Content:
        """Return *size* noise bytes that no sniffer takes for anything else."""
        return cls(size, seed, etag=f'"{seed:x}-{size:x}"')._with(facts)

    @classmethod
    def of(cls, data: bytes | str, **facts: object) -> Content:
        """Return exactly *data*."""
        raw = data.encode() if isinstance(data, str) else data
        return cls(len(raw), prefix=raw, etag=f'"{hashlib.sha256(raw).hexdigest()[:16]}"')._with(facts)

    @classmethod
    def safetensors(cls, size: int, seed: int = 0, **facts: object) -> Content:
        """Return a sound safetensors file of *size* bytes with one tensor; *size* is at least 200."""
        prefix = _safetensors_header(size)
        return cls(size, seed, prefix, etag=f'"st-{seed:x}-{size:x}"')._with(facts)

    @classmethod
    def gguf(cls, size: int, seed: int = 0, **facts: object) -> Content:
        """Return a file that begins as GGUF version 3 does."""
        prefix = b"GGUF" + struct.pack("<IQQ", 3, 0, 0)
        return cls(size, seed, prefix, etag=f'"gguf-{seed:x}-{size:x}"')._with(facts)

    @property
    def sha256(self) -> str:
        """The hash of all bytes, 64 hex digits; half a second per gigabyte, once."""
        return _sha256(self.size, self.seed, self.prefix)

    def grown(self, by: int) -> Content:
        """Return a longer content that begins with the same bytes, as a file that is still being uploaded does."""
        return replace(self, size=self.size + by, etag=f'"grown-{self.seed:x}-{self.size + by:x}"')

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[memoryview]:
        """Yield the bytes from *start* up to *stop* in pieces of at most a mebibyte, without copying."""
        position, end = start, self.size if stop is None else min(stop, self.size)
        head = memoryview(self.prefix)[: self.size]
        if position < min(len(head), end):
            piece = head[position:end]
            yield piece
            position += len(piece)
        base = memoryview(_base(self.seed))
        while position < end:
            number, inside = divmod(position, BLOCK)
            length = min(BLOCK - inside, end - position)
            at = (number * _STRIDE) % BLOCK + inside
            yield base[at : at + length]
            position += length

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Return the bytes from *start* up to *stop*."""
        return b"".join(self.blocks(start, stop))

    def write_to(self, path: Path, stop: int | None = None) -> Path:
        """Write the bytes, or those up to *stop*, to *path*."""
        with path.open("wb") as file:
            for block in self.blocks(0, stop):
                file.write(block)
        return path

    def is_in(self, path: Path) -> bool:
        """Tell whether *path* holds these bytes and no others."""
        if path.stat().st_size != self.size:
            return False
        with path.open("rb") as file:
            return all(file.read(len(block)) == block for block in self.blocks())

    def _with(self, facts: dict[str, object]) -> Content:
        return replace(self, **facts)  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _base(seed: int) -> bytes:
    # The first byte of a file must not look like a web page, a zip or a pickle to a sniffer.
    return b"\x00\xff\x13\x37" + random.Random(seed).randbytes(2 * BLOCK - 4)


@lru_cache(maxsize=256)
def _sha256(size: int, seed: int, prefix: bytes) -> str:
    digest = hashlib.sha256()
    for block in Content(size, seed, prefix).blocks():
        digest.update(block)
    return digest.hexdigest()


def _safetensors_header(size: int) -> bytes:
    length = 120
    data = size - 8 - length
    if data < 0:
        raise ValueError("a safetensors file of a test has at least 200 bytes")
    header = json.dumps({"weight": {"dtype": "U8", "shape": [data], "data_offsets": [0, data]}}).encode()
    return struct.pack("<Q", length) + header.ljust(length)
