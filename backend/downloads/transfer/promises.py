"""What the caller and the source promise about a file, taken together."""

from __future__ import annotations

from backend.downloads.errors import ChecksumMismatch, SizeMismatch


def agreed_sha256(ours: str | None, theirs: str | None) -> str | None:
    """Return the checksum that the file must have, None when nobody promised one.

    Raises:
        ChecksumMismatch: The two contradict each other.
    """
    if ours is not None and theirs is not None and ours != theirs:
        raise ChecksumMismatch(
            "The host has another file under this address than the one that was promised.",
            details={"expected_sha256": ours, "actual_sha256": theirs},
        )
    return ours or theirs


def agreed_size(ours: int | None, theirs: int | None) -> int | None:
    """Return the length that the file must have, None when nobody promised one.

    Raises:
        SizeMismatch: The two contradict each other.
    """
    if ours is not None and theirs is not None and ours != theirs:
        raise SizeMismatch(
            f"The host's file has {theirs} bytes instead of {ours}.",
            details={"expected_bytes": ours, "actual_bytes": theirs},
        )
    return theirs if ours is None else ours
