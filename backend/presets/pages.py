"""Answers that are ready to send: JSON bytes, their gzip form and their ETag, kept for as long as they are true."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from pydantic_core import to_json

_MIN_GZIP_BYTES = 512  # below this the gain is less than one packet
_GZIP_LEVEL = 6
_MAX_CACHED_BYTES = 4 << 20
_TAG_BYTES = 12


@dataclass(frozen=True, slots=True)
class Encoded:
    """One answer; ``gzipped`` is None when it would not pay. ``etag`` is weak: both forms say the same."""

    body: bytes
    gzipped: bytes | None
    etag: str

    @property
    def size_bytes(self) -> int:
        """What it costs to keep."""
        return len(self.body) + len(self.gzipped or b"")


def encode(answer: object) -> Encoded:
    """Write *answer* as JSON and pack it; blocking for milliseconds when it is large.

    Args:
        answer: JSON values, dataclasses and enumerations.
    """
    body = to_json(answer)
    # mtime 0: the same answer gives the same bytes.
    gzipped = gzip.compress(body, _GZIP_LEVEL, mtime=0) if len(body) >= _MIN_GZIP_BYTES else None
    return Encoded(body, gzipped, f'W/"{hashlib.blake2b(body, digest_size=_TAG_BYTES).hexdigest()}"')


class PageCache:
    """Keep the answers of one snapshot, the least used leave first; any thread may ask.

    Args:
        max_bytes: What all answers together may cost.
    """

    def __init__(self, max_bytes: int = _MAX_CACHED_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, Encoded] = OrderedDict()
        self._size_bytes = 0
        self._revision = -1
        self._lock = threading.Lock()

    def get(self, revision: int, question: Hashable) -> Encoded | None:
        """Return the answer to *question* on the snapshot of *revision*."""
        with self._lock:
            if revision != self._revision:
                return None
            answer = self._kept.get(question)
            if answer is not None:
                self._kept.move_to_end(question)
            return answer

    def put(self, revision: int, question: Hashable, answer: Encoded) -> None:
        """Keep an answer; those of an older snapshot go, and one of an older snapshot is not taken."""
        with self._lock:
            if revision < self._revision:
                return
            if revision > self._revision:
                self._kept.clear()
                self._size_bytes, self._revision = 0, revision
            replaced = self._kept.pop(question, None)
            self._size_bytes += answer.size_bytes - (replaced.size_bytes if replaced else 0)
            self._kept[question] = answer
            while self._size_bytes > self._max_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._size_bytes -= dropped.size_bytes
