"""Tell from a file's first bytes what it is, and collect its texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from backend.generation.workflows.embedded.blocks import Blocks, TooLong
from backend.generation.workflows.embedded.films import matroska_texts, mp4_texts
from backend.generation.workflows.embedded.pictures import jpeg_texts, webp_texts
from backend.generation.workflows.embedded.png import SIGNATURE, png_texts
from backend.generation.workflows.embedded.sounds import flac_texts, mp3_texts, ogg_texts
from backend.generation.workflows.errors import WorkflowDamaged, WorkflowTooLarge

_Reader = Callable[[Blocks], Iterator[tuple[str, str]]]

# Kind, where its mark stands, the mark.
_KINDS: tuple[tuple[str, int, tuple[bytes, ...], _Reader], ...] = (
    ("png", 0, (SIGNATURE,), png_texts),
    ("webp", 8, (b"WEBP",), webp_texts),
    ("jpeg", 0, (b"\xff\xd8\xff",), jpeg_texts),
    ("mp4", 4, (b"ftyp", b"moov", b"mdat", b"wide"), mp4_texts),
    ("matroska", 0, (b"\x1a\x45\xdf\xa3",), matroska_texts),
    ("flac", 0, (b"fLaC",), flac_texts),
    ("ogg", 0, (b"OggS",), ogg_texts),
    ("mp3", 0, (b"ID3",), mp3_texts),
)


def texts_inside(file: BinaryIO) -> tuple[str, dict[str, str]] | None:
    """Return the kind of file (``png``, ``webp``, ``jpeg``, ``mp4``, ``matroska``, ``flac``, ``ogg``, ``mp3``) and its texts; blocking.

    Names are in lower case; of two texts with one name the first counts. None: the file is of no kind known here.
    What was read before damage counts: a film whose end is missing may still carry its workflow at the beginning.

    Raises:
        WorkflowDamaged: The file ends too early, and no text came before.
        WorkflowTooLarge: A text inside is longer than any workflow.
    """
    head = file.read(16)
    kind, read = _kind(head)
    if read is None:
        return None
    texts: dict[str, str] = {}
    try:
        for name, text in read(Blocks(file)):
            texts.setdefault(name.strip().lower(), text)
    except TooLong:
        raise WorkflowTooLarge(f"A text inside this {kind} file is longer than any workflow.") from None
    except EOFError:
        if not texts:
            raise WorkflowDamaged(f"This {kind} file is damaged: it ends before its own headers say.") from None
    return kind, texts


def _kind(head: bytes) -> tuple[str, _Reader | None]:
    for kind, offset, marks, read in _KINDS:
        if head.startswith(marks, offset):
            return kind, read
    return "", None
