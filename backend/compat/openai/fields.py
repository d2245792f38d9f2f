"""What a request for images may say, as OpenAI documents it, and what else a workflow has inputs for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from backend.compat.body import Body
from backend.compat.complaint import invalid
from backend.errors import JSON

MAX_N = 10
MAX_PARTIAL = 3

Quality = Literal["auto", "low", "medium", "standard", "high", "hd", "xhigh", "max"]

# Of no use to a workflow; accepted, because clients send them without being asked.
_PASSED_OVER = frozenset({"moderation", "style", "input_fidelity", "complexity", "user"})


class ImageFields(Body):
    """Fields of generations, edits and variations alike; any other field must be an input of the workflow."""

    prompt: str = Field("", max_length=32_000, description="What to show", examples=["A red fox in the snow"])
    model: str | None = Field(
        None, max_length=300, description="A workflow's id; left out, the default workflow", examples=["hearth-default"]
    )
    n: int = Field(1, ge=1, le=MAX_N, description="How many images; each has the next seed")
    size: Annotated[
        str, Field("auto", pattern=r"^(auto|[1-9]\d{0,4}x[1-9]\d{0,4})$", description="auto or WIDTHxHEIGHT")
    ] = "auto"
    quality: Quality = Field("auto", description="Scales the workflow's steps")
    background: Literal["auto", "opaque", "transparent"] = Field("auto", description="opaque puts it on white")
    response_format: Literal["b64_json", "url"] = Field("b64_json", description="url needs the same key to be read")
    output_format: Literal["png", "jpeg", "webp"] | None = Field(None, description="Left out, as the workflow saves it")
    output_compression: int = Field(100, ge=0, le=100, description="Quality of jpeg and webp")
    stream: bool = Field(False, description="Answer server-sent events")
    partial_images: int = Field(0, ge=0, le=MAX_PARTIAL, description="Previews to send while streaming")
    seed: int | None = Field(None, ge=0, lt=2**64, description="Of the first image; left out, random")
    safety_identifier: str | None = Field(None, max_length=512, description="Returned as it was sent")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.background == "transparent" and self.output_format == "jpeg":
            raise ValueError("jpeg knows no transparent background; ask for png or webp")
        return self

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Read what a client sent.

        Raises:
            UnusableRequest: A field cannot be used.
        """
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            raise invalid(error) from None

    @property
    def width_height(self) -> tuple[int, int] | None:
        """Return the wanted size in pixels; None leaves it to the workflow."""
        width, _, height = self.size.partition("x")
        return (int(width), int(height)) if height else None

    @property
    def others(self) -> dict[str, JSON]:
        """Return the fields that only the workflow can understand."""
        extra = self.model_extra or {}
        return {name: value for name, value in extra.items() if name not in _PASSED_OVER}

    @property
    def who(self) -> str | None:
        """Return the end user whom the client names, newer field first."""
        user = (self.model_extra or {}).get("user")
        return self.safety_identifier or (user if isinstance(user, str) else None)
