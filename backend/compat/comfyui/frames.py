"""Messages as ComfyUI sends them, under the ids that Hearth's clients know."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

from backend.errors import JSON

_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_IMAGE_NUMBERS = {"image/jpeg": 1, "image/png": 2}
_HEAD = struct.Struct(">II")


def message(kind: str, data: Mapping[str, JSON]) -> str:
    """Return a text frame."""
    return json.dumps({"type": kind, "data": data}, separators=(",", ":"))


def status(remaining: int, sid: str | None = None) -> str:
    """Return how many jobs wait or run; *sid* only in the greeting."""
    data: dict[str, JSON] = {"status": {"exec_info": {"queue_remaining": remaining}}}
    return message("status", data if sid is None else {**data, "sid": sid})


def renamed(frame: str | bytes, old: str, new: str) -> str | bytes:
    """Return *frame* with one prompt id in the place of another; ids are unique, so nothing else is met."""
    if isinstance(frame, str):
        return frame.replace(old, new)
    event, length = _HEAD.unpack_from(frame)
    if event != _PREVIEW_WITH_METADATA:
        return frame
    head = frame[8 : 8 + length].replace(old.encode(), new.encode())
    return _HEAD.pack(event, len(head)) + head + frame[8 + length :]


def plain_preview(mime: str, image: bytes) -> bytes:
    """Return a picture for clients that did not say that they know more than the picture."""
    return _HEAD.pack(_PREVIEW, _IMAGE_NUMBERS.get(mime, 1)) + image
