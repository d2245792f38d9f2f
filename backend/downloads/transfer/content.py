"""Look at what arrived before it gets its name: its first bytes early, its frame at the end."""

from __future__ import annotations

from pathlib import Path

from backend.downloads.errors import DownloadError, NotAModel, TruncatedFile
from backend.downloads.transfer.retry import Worthless
from backend.kit.headers import first_bytes_problem, inspect_header


def look_at_head(name: str, head: bytes) -> None:
    """Refuse a web page, an error message or a pointer as soon as its first bytes are there.

    Raises:
        Worthless: It is one.
    """
    problem = first_bytes_problem(name, head)
    if problem is not None:
        raise Worthless(NotAModel(problem))


def frame_problem(part: Path, size_bytes: int, name: str) -> DownloadError | None:
    """Return what is wrong with a whole file that nobody vouches for, judged by its own header; blocking."""
    problem = inspect_header(part, size_bytes, name=name)
    if problem is None:
        return None
    kind = TruncatedFile if problem.is_incomplete else NotAModel
    return kind(problem.sentence)
