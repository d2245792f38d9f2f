"""Names that hosts suggest, cut down to what may become a file name."""

from __future__ import annotations

import re
from email.message import Message

_MAX_NAME_BYTES = 255  # NAME_MAX of every common file system
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f]")


def suggested_name(disposition: str | None, fallback: str | None = None) -> str | None:
    """Return the bare name in a Content-Disposition field (RFC 6266, RFC 5987), else *fallback*, else None.

    Folders, control characters and names that mean a folder are dropped: a host never chooses where a file lands.
    """
    named = fallback
    if disposition:
        message = Message()
        message["Content-Disposition"] = _NOT_IN_NAMES.sub("", disposition)
        named = message.get_filename() or fallback
    if named is None:
        return None
    bare = _NOT_IN_NAMES.sub("", named.replace("\\", "/").rpartition("/")[2]).strip()
    if bare in ("", ".", "..") or len(bare.encode()) > _MAX_NAME_BYTES:
        return None
    return bare
