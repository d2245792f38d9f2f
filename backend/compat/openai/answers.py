"""Images on their way out: one JSON object, or a stream of events, as OpenAI documents both."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from backend.compat.openai.fields import ImageFields
from backend.errors import JSON
from backend.kit.clock import utc_now

Verb: TypeAlias = Literal["image_generation", "image_edit"]

# Their clients demand it; nothing here is counted in tokens.
NO_USAGE: Mapping[str, JSON] = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}
_STANDARD = {"standard": "medium", "hd": "high"}


@dataclass(frozen=True, slots=True)
class Made:
    """One image as the client gets it: its bytes, or the address where it lies."""

    format: str
    width: int | None
    height: int | None
    data: bytes = field(default=b"", repr=False)
    url: str | None = None

    @property
    def size(self) -> str:
        """Return ``WIDTHxHEIGHT``, or ``auto`` where that is not known."""
        return "auto" if self.width is None or self.height is None else f"{self.width}x{self.height}"

    def as_dict(self) -> dict[str, JSON]:
        """Return the image as an entry of ``data``."""
        return {"url": self.url} if self.url is not None else {"b64_json": base64.b64encode(self.data).decode()}


def images_answer(images: list[Made], fields: ImageFields, seed: int | None) -> dict[str, JSON]:
    """Return the whole answer; ``seed`` is Hearth's own addition."""
    first = images[0]
    answer: dict[str, JSON] = {
        "created": _now(),
        "data": [image.as_dict() for image in images],
        "output_format": first.format,
        "quality": quality_of(fields),
        "size": first.size,
        "usage": NO_USAGE,
        "seed": seed,
    }
    if fields.background != "auto":
        answer["background"] = fields.background
    if fields.who is not None:
        answer["safety_identifier"] = fields.who
    return answer


def completed_event(verb: Verb, image: Made, fields: ImageFields) -> str:
    """Return the event that carries a finished image."""
    return _event(f"{verb}.completed", {**_common(image, fields), "usage": NO_USAGE})


def partial_event(verb: Verb, image: Made, fields: ImageFields, index: int) -> str:
    """Return the event that carries an image in the making."""
    return _event(f"{verb}.partial_image", {**_common(image, fields), "partial_image_index": index})


def error_event(error: Mapping[str, JSON]) -> str:
    """Return the event after which nothing follows; their clients raise it."""
    return _event("error", {"error": error})


def quality_of(fields: ImageFields) -> str:
    """Return the quality by its present name."""
    return _STANDARD.get(fields.quality, fields.quality)


def _common(image: Made, fields: ImageFields) -> dict[str, JSON]:
    return {
        "b64_json": base64.b64encode(image.data).decode(),
        "background": fields.background,
        "created_at": _now(),
        "output_format": image.format,
        "quality": quality_of(fields),
        "size": image.size,
        "safety_identifier": fields.who,
    }


def _event(kind: str, data: Mapping[str, JSON]) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data}, separators=(',', ':'))}\n\n"


def _now() -> int:
    return int(utc_now().timestamp())
