"""What is known about the file at its source, and whether an answer still speaks of that file.

Two parts of a file may be joined only when something proves that they are of one version: a promised sha256, or a strong
validator (RFC 9110 section 8.8). Without either the file comes as one stream, and a broken stream is continued only after
the host has shown that the bytes on the disk are still its own (see ``proof.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from backend.downloads.errors import BadAnswer, NotAModel, SizeMismatch, SourceChanged
from backend.downloads.transfer.retry import Setback, StartOver
from backend.downloads.transfer.state import PartState

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")
# RFC 9110 section 8.8.2.2 calls a date strong when the answer is younger by at least a second; a minute also covers hosts
# whose clocks do not agree.
_STRONG_DATE_S = 60


@dataclass(slots=True)
class SourceFacts:
    """What is known; filled by the first answer and compared with each later one.

    Args:
        promised_bytes: The length that somebody promised.
        content_addressed: The hub vouches for ``sha256``; its nodes may send differing validators.
        takes_text: A web page is what is wanted.
    """

    identity: str
    promised_bytes: int | None
    sha256: str | None
    content_addressed: bool
    takes_text: bool = False
    size_bytes: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    date_is_strong: bool = False
    wrong_parts: int = 0

    def resume(self, state: PartState) -> bool:
        """Take over what an earlier run knew; False when its bytes are of another file."""
        if state.identity != self.identity or state.size_bytes is None:
            return False
        if self.sha256 is not None and state.sha256 not in (None, self.sha256):
            return False
        if self.promised_bytes not in (None, state.size_bytes):
            return False
        self.size_bytes, self.etag = state.size_bytes, state.etag
        self.last_modified, self.date_is_strong = state.last_modified, state.date_is_strong
        return True

    def state(self) -> PartState | None:
        """Return what a later run must know, None as long as the size is unknown."""
        if self.size_bytes is None:
            return None
        return PartState(
            self.identity, self.size_bytes, self.etag, self.last_modified, self.date_is_strong, self.sha256
        )

    @property
    def validator(self) -> str | None:
        """The strong validator for If-Range; None where there is none, or where nodes of one host disagree."""
        if self.content_addressed:
            return None
        if self.etag is not None and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified if self.date_is_strong and self.etag is None else None

    @property
    def is_provable(self) -> bool:
        """Whether parts from several answers may be joined."""
        return self.sha256 is not None or self.validator is not None

    def take(self, status: int, headers: Mapping[str, str], start: int) -> bool:
        """Compare the head of an answer with a body, 200 or 206, to a request from byte *start* on.

        Returns:
            Whether the answer brings the whole file although a part was asked for.
        Raises:
            Setback: The answer cannot be used; another one may.
            StartOver: The file is not the one that is on the disk in part, or its host has no ranges any more.
            NotAModel, SizeMismatch: It is not the wanted file at all.
        """
        self._refuse_foreign_body(headers, start)
        if status == 206:
            size = self._size_of_range(headers, start)
        else:
            size = int(headers["content-length"]) if headers.get("content-length", "").isdigit() else None
        self._compare(headers, size)
        if status == 200 and start > 0:
            raise StartOver(BadAnswer("The host sends the whole file where a part was asked for."), plain=True)
        if status == 206 and size is None and self.size_bytes is None:
            raise StartOver(BadAnswer("The host does not say how long the file is."), plain=True)
        if self.size_bytes is None:
            self.size_bytes = size
        if self.etag is None and self.last_modified is None:
            self.etag, self.last_modified = headers.get("etag"), headers.get("last-modified")
            self.date_is_strong = _date_is_strong(headers)
        return status == 200

    def _refuse_foreign_body(self, headers: Mapping[str, str], start: int) -> None:
        if headers.get("content-encoding", "identity").lower() not in ("identity", ""):
            raise Setback(BadAnswer("The host compresses the file although it was asked not to."))
        kind = headers.get("content-type", "").lower()
        if kind.startswith("multipart/byteranges"):
            raise Setback(BadAnswer("The host sends several parts at once where one was asked for."))
        is_attachment = headers.get("content-disposition", "").lower().startswith("attachment")
        if kind.startswith("text/html") and not self.takes_text and not is_attachment:
            page = NotAModel("The host sent a web page instead of the file.")
            # Once a part of the file has been seen, a page is an accident of its host and may pass.
            if start > 0 or self.size_bytes is not None:
                raise Setback(page, relink=True)
            raise page

    def _size_of_range(self, headers: Mapping[str, str], start: int) -> int | None:
        """Return the length of the file that a 206 names (None for ``*``), when it begins where it was asked to."""
        match = _CONTENT_RANGE.match(headers.get("content-range", ""))
        if match is not None and int(match[1]) == start:
            self.wrong_parts = 0
            return None if match[3] == "*" else int(match[3])
        self.wrong_parts += 1
        error = BadAnswer("The host sends another part of the file than was asked for.")
        if self.wrong_parts > 1:
            raise StartOver(error, plain=True)
        raise Setback(error)

    def _compare(self, headers: Mapping[str, str], size: int | None) -> None:
        if size is not None and self.size_bytes is not None and size != self.size_bytes:
            raise StartOver(SourceChanged(f"The file had {self.size_bytes} bytes and has {size} now."))
        if size is not None and self.promised_bytes is not None and size != self.promised_bytes:
            raise SizeMismatch(
                f"The host's file has {size} bytes instead of {self.promised_bytes}.",
                details={"expected_bytes": self.promised_bytes, "actual_bytes": size},
            )
        if self.content_addressed:
            return
        etag, date = headers.get("etag"), headers.get("last-modified")
        pair = (etag, self.etag) if etag and self.etag else (date, self.last_modified)
        if None not in pair and pair[0] != pair[1]:
            raise StartOver(SourceChanged("The file was replaced at its host while it was being fetched."))


def _date_is_strong(headers: Mapping[str, str]) -> bool:
    try:
        age = parsedate_to_datetime(headers["date"]) - parsedate_to_datetime(headers["last-modified"])
    except (KeyError, TypeError, ValueError):
        return False
    return age.total_seconds() >= _STRONG_DATE_S
